package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand"
	"net/rpc"
	"reflect"
)

// Mirror is a service for one type: its values go there and back.
type Mirror[T any] struct{}

// Checked is the value that Make has given for Seed, or should be.
type Checked[T any] struct {
	Seed  int64
	Value T
}

func (Mirror[T]) Echo(value T, reply *T) error {
	*reply = value
	return nil
}

func (Mirror[T]) Make(seed int64, reply *T) error {
	*reply = made[T](seed)
	return nil
}

// Check answers with what is different.
func (Mirror[T]) Check(args Checked[T], reply *string) error {
	*reply = difference(Checked[T]{args.Seed, made[T](args.Seed)}, args)
	return nil
}

// compare sends a value to be echoed.
func (Mirror[T]) compare(client *rpc.Client, service string, seed int64) error {
	value := made[T](seed)
	var got T
	if err := client.Call(service+".Echo", value, &got); err != nil {
		return err
	}
	if text := difference(value, got); text != "" {
		return fmt.Errorf("%s", text)
	}
	return nil
}

type mirror interface {
	compare(client *rpc.Client, service string, seed int64) error
}

// mirrors are the services of generated values, by name.
var mirrors = []struct {
	name   string
	mirror mirror
}{
	{"Widths", Mirror[Widths]{}}, {"Lists", Mirror[Lists]{}}, {"Maps", Mirror[Maps]{}},
	{"Pointers", Mirror[Pointers]{}}, {"Tree", Mirror[Tree]{}}, {"Chain", Mirror[Chain]{}},
	{"Odd", Mirror[Odd]{}}, {"Times", Mirror[Times]{}}, {"Any", Mirror[Any]{}},
	{"Big", Mirror[Big]{}},
}

func made[T any](seed int64) T {
	var value T
	random := rand.New(rand.NewSource(seed))
	fill(random, reflect.ValueOf(&value).Elem(), 0, false)
	return value
}

// difference compares what Go itself would have received with what came.
func difference[T any](sent, got T) string {
	var stream bytes.Buffer
	if err := gob.NewEncoder(&stream).Encode(sent); err != nil {
		return err.Error()
	}
	var want T
	if err := gob.NewDecoder(&stream).Decode(&want); err != nil {
		return err.Error()
	}
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return fmt.Sprintf("want %+v, got %+v", want, got)
}
