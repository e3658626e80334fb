module geerpc.test/netrpc

go 1.19
