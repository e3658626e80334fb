// What the start of the executable is measured against.
console.log("hello");
