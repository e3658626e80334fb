// Command peer is the Go program that geerpc's tests talk to, in both roles:
// GeeRPC's stream as the original has it, and Go's net/rpc with gob and with
// JSON. Addresses are written as geerpc writes them.
//
//	peer serve-geerpc [-registry URL]       tcp@ and http@
//	peer serve-netrpc                       gorpc@ and gorpc+http@
//	peer serve-jsonrpc                      jsonrpc@
//	peer call [-option WAY] [-handle-timeout D] ADDRESS (Service.Method JSON)...
//	peer broadcast REGISTRY Service.Method JSON
//	peer echo ADDRESS SEED COUNT
//	peer bench ADDRESS IN-FLIGHT
//
// It prints lines of JSON. A server's first says where it listens; it ends
// when its standard input does.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	flags := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	registry := flags.String("registry", "", "where a GeeRPC server registers")
	way := flags.String("option", optionAlone, "how the Option goes out")
	handleTimeout := flags.Duration("handle-timeout", 0, "the Option's")
	_ = flags.Parse(os.Args[2:])
	option := Option{magicNumber, gobType, 10 * time.Second, *handleTimeout}
	rest := flags.Args()

	switch os.Args[1] {
	case "serve-geerpc":
		serveGeerpc(*registry)
	case "serve-netrpc":
		serveNetrpc()
	case "serve-jsonrpc":
		serveJSONRPC()
	case "call":
		client := must(dial(rest[0], option, *way))
		for i := 1; i < len(rest); i += 2 {
			call(client, rest[i], rest[i+1])
		}
	case "broadcast":
		option.HandleTimeout = 0
		for _, server := range must(discover(rest[0])) {
			fmt.Printf("%q\n", server)
			call(must(dial(server, option, optionThenPause)), rest[1], rest[2])
		}
	case "echo":
		client := must(dial(rest[0], option, *way))
		echo(client, must(strconv.ParseInt(rest[1], 10, 64)), must(strconv.Atoi(rest[2])))
	case "bench":
		bench(must(dial(rest[0], option, *way)), must(strconv.Atoi(rest[1])))
	default:
		log.Fatalf("no such command: %s", os.Args[1])
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

func newServices() *rpc.Server {
	services := rpc.NewServer()
	must(0, services.Register(Foo{}))
	for _, each := range mirrors {
		must(0, services.RegisterName(each.name, each.mirror))
	}
	return services
}

// listen takes a free port, of all interfaces, and gives it.
func listen() (net.Listener, int) {
	listener := must(net.Listen("tcp", ":0"))
	return listener, listener.Addr().(*net.TCPAddr).Port
}

func local(protocol string, port int) string {
	return fmt.Sprintf("%s@127.0.0.1:%d", protocol, port)
}

func serveGeerpc(registry string) {
	server := geerpcServer{newServices()}
	listener, port := listen()
	go server.accept(listener)
	overHTTP, httpPort := listen()
	mux := http.NewServeMux()
	mux.Handle(geerpcPath, server)
	go func() { log.Fatal(http.Serve(overHTTP, mux)) }()
	if registry != "" {
		must(0, register(registry, fmt.Sprintf("tcp@[::]:%d", port)))
	}
	serveUntilEnd(local("tcp", port), local("http", httpPort))
}

func serveNetrpc() {
	services := newServices()
	listener, port := listen()
	go services.Accept(listener)
	overHTTP, httpPort := listen()
	services.HandleHTTP(rpc.DefaultRPCPath, rpc.DefaultDebugPath)
	go func() { log.Fatal(http.Serve(overHTTP, nil)) }()
	serveUntilEnd(local("gorpc", port), local("gorpc+http", httpPort))
}

func serveJSONRPC() {
	services := newServices()
	listener, port := listen()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go services.ServeCodec(jsonrpc.NewServerCodec(conn))
		}
	}()
	serveUntilEnd(local("jsonrpc", port), "")
}

func serveUntilEnd(listening, overHTTP string) {
	printLine(map[string]string{"listening": listening, "http": overHTTP})
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func dial(address string, option Option, way string) (*rpc.Client, error) {
	protocol, addr, _ := strings.Cut(address, "@")
	switch protocol {
	case "tcp":
		return dialGeerpc(addr, false, option, way)
	case "http":
		return dialGeerpc(addr, true, option, way)
	case "gorpc":
		return rpc.Dial("tcp", addr)
	case "gorpc+http":
		return rpc.DialHTTP("tcp", addr)
	case "jsonrpc":
		return jsonrpc.Dial("tcp", addr)
	}
	return nil, fmt.Errorf("unknown protocol: %s", address)
}
