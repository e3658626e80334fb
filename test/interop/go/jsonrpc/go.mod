module geerpc.test/jsonrpc

go 1.19
