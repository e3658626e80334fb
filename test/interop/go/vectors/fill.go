package main

import (
	"math"
	"math/rand"
	"reflect"
	"time"
	"unsafe"
)

var (
	texts = []string{"", "a", "héllo, 世界", "__proto__", "constructor", "x y", "🙂",
		"a text that is longer than what the reader keeps of short ones, by far"}
	floats = []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 17, 1e300, 5e-324,
		math.Inf(1), math.Inf(-1), math.NaN(), 1 << 53}
	zones = []*time.Location{time.UTC, time.FixedZone("", 0), time.FixedZone("", 7200),
		time.FixedZone("", -34200), time.FixedZone("", 4521)}
)

const deepest = 5

// fill makes a random value, with many zeros and edges among them.
func fill(random *rand.Rand, v reflect.Value, depth int) {
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = someTime(random)
		return
	case *Coin:
		at.heads = random.Intn(2) == 0
		return
	case *Blob:
		at.bytes = texts[random.Intn(len(texts))]
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(random.Intn(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(someBits(random)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(someBits(random))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(someFloat(random, v.Kind() == reflect.Float32))
	case reflect.Complex64, reflect.Complex128:
		isNarrow := v.Kind() == reflect.Complex64
		v.SetComplex(complex(someFloat(random, isNarrow), someFloat(random, isNarrow)))
	case reflect.String:
		v.SetString(texts[random.Intn(len(texts))])
	case reflect.Slice:
		if n := someCount(random, depth); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		fillAll(random, v, depth)
	case reflect.Array:
		fillAll(random, v, depth)
	case reflect.Map:
		fillMap(random, v, depth)
	case reflect.Pointer:
		isElement := depth > 0 && v.Type().Elem().Kind() == reflect.Struct
		if depth < deepest && (random.Intn(2) == 0 || isElement && inList(v)) || inList(v) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(random, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if v.Type().Field(i).IsExported() {
				fillField(random, v.Field(i), depth)
			}
		}
	case reflect.Interface:
		fillInterface(random, v, depth)
	}
}

// lists are the pointers that are elements: nil there cannot be sent.
var lists = map[unsafe.Pointer]bool{}

func inList(v reflect.Value) bool { return lists[v.Addr().UnsafePointer()] }

func fillAll(random *rand.Rand, v reflect.Value, depth int) {
	for i := 0; i < v.Len(); i++ {
		at := v.Index(i).Addr().UnsafePointer()
		lists[at] = true
		fill(random, v.Index(i), depth+1)
		delete(lists, at)
	}
}

func fillField(random *rand.Rand, v reflect.Value, depth int) {
	if random.Intn(4) > 0 || v.Kind() == reflect.Struct {
		fill(random, v, depth+1)
	}
}

func fillMap(random *rand.Rand, v reflect.Value, depth int) {
	n := someCount(random, depth)
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for ; n > 0; n-- {
		key := reflect.New(v.Type().Key()).Elem()
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(random, key, depth+1)
		fill(random, elem, depth+1)
		// A Map takes -0 for 0, and Go's map holds each NaN by itself.
		if key.Kind() == reflect.Float64 && (key.Float() == 0 || math.IsNaN(key.Float())) {
			key.SetFloat(0)
		}
		v.SetMapIndex(key, elem)
	}
}

// A number in an interface arrives as a number: only such as go back alike.
func fillInterface(random *rand.Rand, v reflect.Value, depth int) {
	choices := []any{nil, 7, -300, "text", 0.25, true, []byte{1}, []string{"a", ""},
		Args{1, 0}, []Inner{{"n", nil}}, map[string]int{"k": 1}, someTime(random)}
	choice := random.Intn(len(choices) + 4)
	switch {
	case choice < len(choices):
		if choices[choice] != nil {
			v.Set(reflect.ValueOf(choices[choice]))
		}
	case depth >= deepest:
	case choice%2 == 0:
		shape := new(Shape)
		fill(random, reflect.ValueOf(shape).Elem(), depth+1)
		v.Set(reflect.ValueOf(shape))
	default:
		inner := new(Any)
		fill(random, reflect.ValueOf(inner).Elem(), depth+1)
		v.Set(reflect.ValueOf(*inner))
	}
}

// someCount is -1 for nil.
func someCount(random *rand.Rand, depth int) int {
	if depth >= deepest {
		return random.Intn(2) - 1
	}
	return random.Intn(5) - 1
}

func someBits(random *rand.Rand) uint64 {
	bits := random.Uint64() >> random.Intn(64)
	switch random.Intn(4) {
	case 0:
		return 0
	case 1:
		return -bits
	case 2:
		return 1<<random.Intn(64) - uint64(random.Intn(2))
	}
	return bits
}

// JavaScript has one NaN, Go's is sent for it: a float32's has other bits.
func someFloat(random *rand.Rand, isNarrow bool) float64 {
	if random.Intn(2) == 0 {
		f := floats[random.Intn(len(floats))]
		if !isNarrow || !math.IsNaN(f) {
			return f
		}
	}
	return random.NormFloat64()
}

func someTime(random *rand.Rand) time.Time {
	switch random.Intn(5) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(random.Int63n(4e9), 0).UTC()
	case 2:
		return time.UnixMilli(random.Int63n(4e12)).UTC()
	case 3:
		return time.Unix(random.Int63()-random.Int63(), random.Int63n(1e9)).UTC()
	}
	at := time.Unix(random.Int63n(4e9)-2e9, random.Int63n(1e9))
	return at.In(zones[random.Intn(len(zones))])
}
