// Speaks net/rpc/jsonrpc over bytes in memory, for tests of the other end.
//
//	requests       prints, in hex, what Go's client sends for its calls
//	answers <hex>  gives these bytes to that client, prints what its calls got
//	server <hex>   gives these bytes to Go's server, prints what it answers, in hex
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
)

type Args struct{ Num1, Num2 int }

type Everything struct {
	Text   string
	Bytes  []byte
	Float  float64
	Big    int64
	List   []string
	Map    map[string]Args
	Nested *Everything
	Yes    bool
}

type Foo struct{}

func (Foo) Sum(args Args, reply *int) error {
	*reply = args.Num1 + args.Num2
	return nil
}

func (Foo) Echo(args Everything, reply *Everything) error {
	*reply = args
	return nil
}

func (Foo) Fail(text string, reply *int) error { return errors.New(text) }

func (Foo) Nothing(args Args, reply *struct{}) error { return nil }

func (Foo) Null(args Args, reply *[]int) error {
	*reply = nil
	return nil
}

// conn reads what is given, and remembers what is written.
type conn struct {
	io.Reader
	bytes.Buffer
}

func (c *conn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (c *conn) Close() error               { return nil }

// gate reads nothing before it is opened.
type gate struct {
	opened chan struct{}
	io.Reader
}

func (g gate) Read(p []byte) (int, error) {
	<-g.opened
	return g.Reader.Read(p)
}

var everything = Everything{
	Text:   "<é€😀> \"\\\n\u2028",
	Bytes:  []byte{0, 1, 255},
	Float:  -1.5e-7,
	Big:    1 << 53,
	List:   []string{"", "a"},
	Map:    map[string]Args{"__proto__": {1, 2}, "": {}},
	Nested: &Everything{Text: "inner"},
	Yes:    true,
}

func callAll(client *rpc.Client) []*rpc.Call {
	start := func(name string, args, reply any) *rpc.Call {
		return client.Go(name, args, reply, make(chan *rpc.Call, 1))
	}
	return []*rpc.Call{
		start("Foo.Sum", Args{1, 2}, new(int)),
		start("Foo.Echo", everything, new(Everything)),
		start("Foo.Fail", "100% broken: é", new(int)),
		start("Foo.Nothing", Args{}, new(struct{})),
		start("Foo.Null", Args{}, new([]int)),
		start("No.Such", Args{}, new(int)),
		start("Foo.Sum", Args{-3, 2}, new(int)),
	}
}

type outcome struct {
	Reply any
	Error string
}

func answers(given []byte) {
	opened := make(chan struct{})
	c := &conn{Reader: gate{opened, bytes.NewReader(given)}}
	calls := callAll(jsonrpc.NewClient(c))
	close(opened)
	var outcomes []outcome
	for _, call := range calls {
		<-call.Done
		if call.Error != nil {
			outcomes = append(outcomes, outcome{Error: call.Error.Error()})
		} else {
			outcomes = append(outcomes, outcome{Reply: call.Reply})
		}
	}
	text, err := json.Marshal(outcomes)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	var given []byte
	if len(os.Args) > 2 {
		var err error
		if given, err = hex.DecodeString(os.Args[2]); err != nil {
			panic(err)
		}
	}
	switch os.Args[1] {
	case "requests":
		c := &conn{Reader: gate{opened: make(chan struct{})}}
		callAll(jsonrpc.NewClient(c))
		fmt.Println(hex.EncodeToString(c.Bytes()))
	case "answers":
		answers(given)
	case "server":
		server := rpc.NewServer()
		if err := server.Register(Foo{}); err != nil {
			panic(err)
		}
		c := &conn{Reader: bytes.NewReader(given)}
		server.ServeCodec(jsonrpc.NewServerCodec(c))
		fmt.Println(hex.EncodeToString(c.Bytes()))
	}
}
