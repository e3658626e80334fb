package main

import (
	"encoding/gob"
	"time"
)

type Args struct{ Num1, Num2 int }

type Header struct {
	ServiceMethod string
	Seq           uint64
	Error         string
}

type Widths struct {
	B   bool
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	F32 float32
	F64 float64
	C64 complex64
	C   complex128
	D   time.Duration
}

type Inner struct {
	Name string
	Tags []string
}

type Lists struct {
	Bools  []bool
	Ints   []int64
	Floats []float32
	Texts  []string
	Raw    []byte
	Raws   [][]byte
	Grid   [2][3]int
	Words  [4]uint16
	Bytes  [3]byte
	Ins    []Inner
	Rows   [][]Inner
}

type Maps struct {
	A map[string]int
	B map[int8]string
	C map[bool]float64
	D map[string][]Inner
	E map[Args]Inner
	F map[string]struct{}
	G map[string]map[uint16]bool
	H map[float64]complex128
}

type Pointers struct {
	I   *int
	S   *string
	PP  **Inner
	In  *Inner
	Arr *[2]int
	M   *map[string]int
	L   []*Inner
}

type Tree struct {
	Value    int
	Children []*Tree
}

type Chain struct {
	Word string
	Next *Chain
}

type Nest []Nest

type Web map[string]Web

// Anonymous structs, embedded ones, fields that are not sent.
type Odd struct {
	Args
	In struct {
		Deeper struct{ Words []string }
	}
	hidden int
	Call   func()
	Pipe   chan int
	Last   *struct{ X float64 }
}

type Times struct {
	At    time.Time
	Maybe *time.Time
	All   []time.Time
	By    map[string]time.Time
}

// Coin encodes itself, Blob as a BinaryMarshaler. (Go never sends a TextMarshaler as such.)
type Coin struct{ heads bool }

func (c Coin) GobEncode() ([]byte, error) {
	if c.heads {
		return []byte{1, 2, 3}, nil
	}
	return nil, nil
}

type Blob struct{ bytes string }

func (b Blob) MarshalBinary() ([]byte, error) { return []byte(b.bytes), nil }

type Opaque struct {
	C  Coin
	B  Blob
	Cs []Coin
	M  map[string]Blob
}

type Any struct {
	V    any
	More []any
	By   map[string]any
	Tail string
}

type Shape struct {
	Kind string
	Any  any
	Deep *Any
}

type Mutual struct {
	Others []Other
	Web    Web
}

type Other struct {
	Back  *Mutual
	Nests Nest
}

func init() {
	gob.Register(Args{})
	gob.Register(&Shape{})
	gob.Register(Any{})
	gob.Register([]Inner{})
	gob.Register(map[string]int{})
	gob.Register(time.Time{})
}

// A value of each type that streams are made of.
var samples = []any{
	false, 0, uint64(0), 0.0, "", []byte(nil), complex128(0),
	[]int(nil), [3]string{}, map[string]int(nil), struct{}{}, time.Time{},
	Args{}, Header{}, Widths{}, Inner{}, Lists{}, Maps{}, Pointers{}, Tree{},
	Chain{}, Nest(nil), Web(nil), Odd{}, Times{}, Opaque{}, Any{}, Shape{},
	Mutual{}, []map[string][]*Tree(nil), map[Args][2]Inner(nil), Blob{},
	[]Any(nil),
}
