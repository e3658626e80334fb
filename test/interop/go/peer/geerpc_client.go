package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"time"
)

// How the Option goes out.
const (
	// As the original does it: the Option with its LF, and the requests after it.
	optionAlone = "alone"
	// Option, LF and the first request in one write.
	optionTogether = "together"
	// The LF comes in a write of its own.
	optionThenLF = "then-lf"
	// A pause after it: a server with fault 1 loses what comes at once.
	optionThenPause = "then-pause"
)

const pause = 50 * time.Millisecond

// dialGeerpc connects as the original's client does.
func dialGeerpc(addr string, isHTTP bool, option Option, way string) (*rpc.Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if isHTTP {
		if err := connect(conn, geerpcPath, geerpcConnected); err != nil {
			return nil, err
		}
	}
	line, err := json.Marshal(option)
	if err != nil {
		return nil, err
	}
	var out io.ReadWriteCloser = conn
	switch way {
	case optionTogether:
		out = &held{ReadWriteCloser: conn, bytes: append(line, '\n')}
	case optionThenLF:
		for _, part := range [][]byte{line, {'\n'}} {
			_, err = conn.Write(part)
			time.Sleep(pause)
		}
	default:
		_, err = conn.Write(append(line, '\n'))
	}
	if err != nil {
		return nil, err
	}
	if way == optionThenPause {
		time.Sleep(pause)
	}
	return rpc.NewClientWithCodec(&clientCodec{newStream(out)}), nil
}

// held puts bytes in front of what is written first.
type held struct {
	io.ReadWriteCloser
	bytes []byte
}

func (h *held) Write(more []byte) (int, error) {
	all := append(h.bytes, more...)
	n, err := h.ReadWriteCloser.Write(all)
	n -= len(h.bytes)
	h.bytes = nil
	return n, err
}

func connect(conn net.Conn, path, status string) error {
	if _, err := io.WriteString(conn, "CONNECT "+path+" HTTP/1.0\n\n"); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if response.Status != status || reader.Buffered() > 0 {
		return fmt.Errorf("unexpected HTTP response: %s, and %d bytes", response.Status, reader.Buffered())
	}
	return nil
}

// clientCodec counts from 1, net/rpc from 0.
type clientCodec struct{ *stream }

func (c *clientCodec) WriteRequest(request *rpc.Request, body any) error {
	return c.write(Header{ServiceMethod: request.ServiceMethod, Seq: request.Seq + 1}, body)
}

// ReadResponseHeader takes the error's text for a format: fault 6.
func (c *clientCodec) ReadResponseHeader(response *rpc.Response) error {
	var header Header
	if err := c.decoder.Decode(&header); err != nil {
		return err
	}
	*response = rpc.Response{ServiceMethod: header.ServiceMethod, Seq: header.Seq - 1}
	response.Error = fmt.Sprintf(header.Error, []any{}...)
	return nil
}

func (c *clientCodec) ReadResponseBody(body any) error { return c.readBody(body) }
