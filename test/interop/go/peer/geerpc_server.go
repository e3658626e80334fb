package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"time"
)

// geerpcServer speaks the original's stream in front of net/rpc's services,
// with the original's faults.
type geerpcServer struct{ services *rpc.Server }

func (s geerpcServer) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// ServeHTTP answers CONNECT. What came together with its head is lost: fault 3.
func (s geerpcServer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodConnect {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = io.WriteString(w, "405 must CONNECT\n")
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.0 "+geerpcConnected+"\n\n")
	s.serve(conn)
}

// serve reads the Option, which is never answered. The JSON decoder takes more
// than it needs, and what it took is lost: fault 1.
func (s geerpcServer) serve(conn io.ReadWriteCloser) {
	var option Option
	err := json.NewDecoder(conn).Decode(&option)
	if err != nil || option.MagicNumber != magicNumber || option.CodecType != gobType {
		_ = conn.Close()
		return
	}
	s.services.ServeCodec(&serverCodec{stream: newStream(conn), timeout: option.HandleTimeout})
}

type serverCodec struct {
	*stream
	timeout time.Duration
	// running has the timer of each request that was not answered, by its seq.
	running sync.Map
}

func (c *serverCodec) ReadRequestHeader(request *rpc.Request) error {
	var header Header
	if err := c.decoder.Decode(&header); err != nil {
		return err
	}
	request.ServiceMethod, request.Seq = header.ServiceMethod, header.Seq
	if c.timeout == 0 {
		return nil
	}
	timer := time.AfterFunc(c.timeout, func() {
		if _, isRunning := c.running.LoadAndDelete(header.Seq); isRunning {
			header.Error = fmt.Sprintf("rpc server: request handle timeout: expect within %s", c.timeout)
			_ = c.write(header, struct{}{})
		}
	})
	c.running.Store(header.Seq, timer)
	return nil
}

// ReadRequestBody does not read the body of an unknown method, for which body
// is nil, so that it is taken for the next header: fault 4.
func (c *serverCodec) ReadRequestBody(body any) error {
	if body == nil {
		return nil
	}
	return c.readBody(body)
}

func (c *serverCodec) WriteResponse(response *rpc.Response, body any) error {
	if c.timeout > 0 {
		timer, isRunning := c.running.LoadAndDelete(response.Seq)
		if !isRunning {
			return nil
		}
		timer.(*time.Timer).Stop()
	}
	text := originalText(response.Error, response.ServiceMethod)
	return c.write(Header{response.ServiceMethod, response.Seq, text}, body)
}

// originalText has the original's words for net/rpc's.
func originalText(text, serviceMethod string) string {
	dot := strings.LastIndex(serviceMethod, ".")
	switch text {
	case "rpc: service/method request ill-formed: " + serviceMethod:
		return "rpc server: service/method request ill-formed: " + serviceMethod
	case "rpc: can't find service " + serviceMethod:
		return "rpc server: can't find service " + serviceMethod[:dot]
	case "rpc: can't find method " + serviceMethod:
		return "rpc server: can't find method " + serviceMethod[dot+1:]
	}
	return text
}
