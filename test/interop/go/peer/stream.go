package main

import (
	"bufio"
	"encoding/gob"
	"io"
	"sync"
	"time"
)

// The stream of GeeRPC, the original: an Option as JSON, then headers and
// bodies in gob, one encoder for each direction.

const (
	magicNumber = 0x3bef5c
	gobType     = "application/gob"
	// The transposed letters are the original's.
	geerpcPath      = "/_geeprc_"
	geerpcConnected = "200 Connected to Gee RPC"
)

type Option struct {
	MagicNumber    int
	CodecType      string
	ConnectTimeout time.Duration
	HandleTimeout  time.Duration
}

type Header struct {
	ServiceMethod string
	Seq           uint64
	Error         string
}

// stream is either end of a connection, behind the Option.
type stream struct {
	conn    io.ReadWriteCloser
	decoder *gob.Decoder
	encoder *gob.Encoder
	buffer  *bufio.Writer
	writing sync.Mutex
}

func newStream(conn io.ReadWriteCloser) *stream {
	buffer := bufio.NewWriter(conn)
	return &stream{conn: conn, decoder: gob.NewDecoder(conn), encoder: gob.NewEncoder(buffer), buffer: buffer}
}

func (s *stream) write(header Header, body any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.encoder.Encode(header); err != nil {
		return err
	}
	if err := s.encoder.Encode(body); err != nil {
		return err
	}
	return s.buffer.Flush()
}

// ReadRequestBody and ReadResponseBody in one; nil drops the value.
func (s *stream) readBody(body any) error { return s.decoder.Decode(body) }

func (s *stream) Close() error { return s.conn.Close() }
