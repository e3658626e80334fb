module geerpc.test/peer

go 1.19
