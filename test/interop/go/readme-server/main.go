package main

import (
	"fmt"
	"log"
	"net"
	"net/rpc"
	"os"
)

type Args struct{ A, B int }

type Arith struct{}

func (Arith) Sum(args Args, reply *int) error {
	*reply = args.A + args.B
	return nil
}

func main() {
	if err := rpc.Register(Arith{}); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	rpc.Accept(listener)
}
