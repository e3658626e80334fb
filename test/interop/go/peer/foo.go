package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Foo is the service whose methods take and give each kind of type.
type Foo struct{}

func (Foo) Sum(args Args, reply *int) error {
	*reply = args.Num1 + args.Num2
	return nil
}

// Sleep waits Num1 milliseconds and adds.
func (Foo) Sleep(args Args, reply *int) error {
	time.Sleep(time.Duration(args.Num1) * time.Millisecond)
	*reply = args.Num1 + args.Num2
	return nil
}

// Fail fails with the text that it is given.
func (Foo) Fail(text string, _ *int) error { return errors.New(text) }

func (Foo) Upper(text string, reply *string) error {
	*reply = strings.ToUpper(text)
	return nil
}

func (Foo) Birthday(person Person, reply *Person) error {
	person.Age++
	person.Scores = append(person.Scores, float64(person.Age))
	*reply = person
	return nil
}

// Count gives the squares below n.
func (Foo) Count(n int, reply *[]int) error {
	for i := 0; i*i < n; i++ {
		*reply = append(*reply, i*i)
	}
	return nil
}

func (Foo) Avg(all []float64, reply *float64) error {
	for _, one := range all {
		*reply += one / float64(len(all))
	}
	return nil
}

func (Foo) Words(words map[string]int, reply *map[string]int) error {
	*reply = map[string]int{}
	for key, value := range words {
		(*reply)[key+"!"] = 2 * value
	}
	return nil
}

func (Foo) Invert(names map[int]string, reply *map[string]int) error {
	*reply = map[string]int{}
	for key, name := range names {
		(*reply)[name] = key
	}
	return nil
}

func (Foo) Reverse(bytes []byte, reply *[]byte) error {
	for i := len(bytes) - 1; i >= 0; i-- {
		*reply = append(*reply, bytes[i])
	}
	return nil
}

func (Foo) Rotate(three [3]int, reply *[3]int) error {
	*reply = [3]int{three[1], three[2], three[0]}
	return nil
}

func (Foo) Not(is bool, reply *bool) error {
	*reply = !is
	return nil
}

func (Foo) Complement(bits uint64, reply *uint64) error {
	*reply = ^bits
	return nil
}

func (Foo) Next(number int64, reply *int64) error {
	*reply = number + 1
	return nil
}

func (Foo) Conjugate(c complex128, reply *complex128) error {
	*reply = complex(real(c), -imag(c))
	return nil
}

func (Foo) Later(what Appointment, reply *time.Time) error {
	*reply = what.At.Add(what.In)
	return nil
}

// Grow puts the tree below a new root, whose value is the sum of all.
func (Foo) Grow(tree Tree, reply *Tree) error {
	*reply = Tree{tree.total(), []*Tree{&tree}}
	return nil
}

func (t *Tree) total() int {
	total := t.Value
	for _, child := range t.Children {
		total += child.total()
	}
	return total
}

// Kind says what Go has found in an interface.
func (Foo) Kind(box Box, reply *string) error {
	*reply = fmt.Sprintf("%T", box.V)
	return nil
}

func (Foo) Open(kind string, reply *Box) error {
	switch kind {
	case "args":
		reply.V = Args{1, 2}
	case "int":
		reply.V = 7
	case "text":
		reply.V = "seven"
	}
	return nil
}

func (Foo) Nothing(struct{}, *struct{}) error { return nil }

func (Foo) Who(_ struct{}, reply *string) error {
	*reply = "go"
	return nil
}
