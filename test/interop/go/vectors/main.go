// Command vectors prints gob streams of random values, one line of JSON each:
// the bytes that encoding/gob makes, the type in geerpc's words and the values
// in a form that both sides render alike (see render.go).
//
//	vectors SEED COUNT FIRST
//
// FIRST types are encoded before, so that type ids differ from run to run.
package main

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"math/rand"
	"os"
	"reflect"
	"strconv"
)

type vector struct {
	Type   string `json:"type"`
	Hex    string `json:"hex"`
	Values []any  `json:"values"`
}

func main() {
	seed, count, first := argument(1), argument(2), argument(3)
	random := rand.New(rand.NewSource(int64(seed)))
	for i := 0; i < first; i++ {
		other := reflect.New(reflect.ArrayOf(i+1, reflect.TypeOf(0)))
		if err := gob.NewEncoder(io.Discard).EncodeValue(other); err != nil {
			log.Fatal(err)
		}
	}
	lines := json.NewEncoder(os.Stdout)
	lines.SetEscapeHTML(false)
	for i := 0; i < count; i++ {
		if err := lines.Encode(makeVector(random, samples[i%len(samples)])); err != nil {
			log.Fatal(err)
		}
	}
}

// makeVector encodes one to three values of a type as one stream.
func makeVector(random *rand.Rand, sample any) vector {
	t := reflect.TypeOf(sample)
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	made := vector{Type: declare(t)}
	for n := 1 + random.Intn(3); n > 0; n-- {
		value := reflect.New(t)
		fill(random, value.Elem(), 0)
		if err := encoder.EncodeValue(value.Elem()); err != nil {
			log.Fatalf("%s: %v", t, err)
		}
		made.Values = append(made.Values, render(value.Elem(), false))
	}
	made.Hex = hex.EncodeToString(stream.Bytes())
	return made
}

func argument(at int) int {
	number, err := strconv.Atoi(os.Args[at])
	if err != nil {
		log.Fatal(err)
	}
	return number
}
