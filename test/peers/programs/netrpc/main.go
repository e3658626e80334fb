// Command netrpc is Go's net/rpc among the peers, in both roles:
//
//	netrpc serve
//	netrpc call ADDRESS ORDER
//
// It speaks with the bench as play.ts does, by lines of JSON, and ends when
// its standard input does. ORDER is the first order, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/rpc"
	"os"
)

func main() {
	log.SetFlags(0)
	switch os.Args[1] {
	case "serve":
		must(0, rpc.Register(Foo{}))
		listener := must(net.Listen("tcp", "127.0.0.1:0"))
		go rpc.Accept(listener)
		printLine(map[string]string{"listening": listener.Addr().String()})
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "call":
		load := load{client: must(rpc.Dial("tcp", os.Args[2]))}
		must(0, json.Unmarshal([]byte(os.Args[3]), &load.firstOrder))
		printLine(map[string]bool{"ready": true})
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			var request sliceRequest
			must(0, json.Unmarshal(lines.Bytes(), &request))
			answer, err := load.run(request)
			if err != nil {
				printLine(map[string]string{"error": err.Error()})
				continue
			}
			printLine(answer)
		}
	default:
		log.Fatalf("no such role: %s", os.Args[1])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func printLine(value any) {
	fmt.Println(string(must(json.Marshal(value))))
}
