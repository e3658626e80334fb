package main

import (
	"fmt"
	"log"
	"net/rpc"
	"os"
)

type Args struct{ A, B int }

type Quotient struct{ Quo, Rem int }

func main() {
	client, err := rpc.Dial("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var sum int
	if err := client.Call("Arith.Sum", Args{7, 8}, &sum); err != nil {
		log.Fatal(err)
	}
	var q Quotient
	if err := client.Call("Arith.Divide", Args{17, 5}, &q); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum, q.Quo, q.Rem, client.Call("Arith.Divide", Args{1, 0}, &q))
}
