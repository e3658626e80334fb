module geerpc.test/vectors

go 1.19
