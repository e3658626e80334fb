package main

import (
	"encoding/gob"
	"time"
)

type Args struct{ Num1, Num2 int }

type Person struct {
	Name   string
	Age    int
	Scores []float64
	Tags   map[string]string
	Raw    []byte
	Boss   *Person
}

type Appointment struct {
	At time.Time
	In time.Duration
}

type Box struct{ V any }

// Every width of every basic type.
type Widths struct {
	B   bool
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	F32 float32
	F64 float64
	C64 complex64
	C   complex128
	S   string
	D   time.Duration
	E   struct{}
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

// Embedded and anonymous structs, and a field that is not sent.
type Odd struct {
	Args
	In struct {
		Deeper struct{ Words []string }
	}
	hidden int
	Last   *struct{ X float64 }
}

type Times struct {
	At    time.Time
	Maybe *time.Time
	All   []time.Time
	By    map[string]time.Time
	Took  []time.Duration
}

type Any struct {
	V    any
	More []any
	By   map[string]any
	Tail string
}

type Big struct {
	Max, Min, Edge int64
	UMax           uint64
	All            []int64
	By             map[int64]uint64
}

func init() {
	gob.Register(Args{})
	gob.Register(&Person{})
	gob.Register(Inner{})
	gob.Register([]Inner{})
	gob.Register(map[string]int{})
	gob.Register(time.Time{})
}
