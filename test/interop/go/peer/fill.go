package main

import (
	"math"
	"math/rand"
	"reflect"
	"time"
)

var (
	texts = []string{"", "a", "héllo, 世界", "__proto__", "constructor", "x y", "🙂", "%d 100%",
		"a text that is longer than what the reader keeps of short ones, by far"}
	// Without NaN, which nothing is equal to.
	floats = []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 17, 1e30, 1e-30,
		math.Inf(1), math.Inf(-1), 1 << 53}
	zones = []*time.Location{time.UTC, time.FixedZone("", 0), time.FixedZone("", 7200),
		time.FixedZone("", -34200), time.FixedZone("", 4521)}
)

const deepest = 5

// fill makes a random value, with many zeros and edges among them. Elements of
// lists and maps are never nil pointers: those cannot be sent.
func fill(random *rand.Rand, v reflect.Value, depth int, isElement bool) {
	if at, isTime := v.Addr().Interface().(*time.Time); isTime {
		*at = someTime(random)
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
		v.SetFloat(someFloat(random))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(someFloat(random), someFloat(random)))
	case reflect.String:
		v.SetString(texts[random.Intn(len(texts))])
	case reflect.Slice:
		if n := someCount(random, depth); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		fillElements(random, v, depth)
	case reflect.Array:
		fillElements(random, v, depth)
	case reflect.Map:
		fillMap(random, v, depth)
	case reflect.Pointer:
		if isElement || (depth < deepest && random.Intn(2) == 0) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(random, v.Elem(), depth+1, isElement)
		}
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			field := v.Field(i)
			if field.CanSet() && (field.Kind() == reflect.Struct || random.Intn(4) > 0) {
				fill(random, field, depth+1, false)
			}
		}
	case reflect.Interface:
		fillInterface(random, v, depth)
	}
}

func fillElements(random *rand.Rand, v reflect.Value, depth int) {
	for i := 0; i < v.Len(); i++ {
		fill(random, v.Index(i), depth+1, true)
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
		fill(random, key, depth+1, true)
		fill(random, elem, depth+1, true)
		v.SetMapIndex(key, elem)
	}
}

// A number in an interface arrives as a number: only such as go back alike.
func fillInterface(random *rand.Rand, v reflect.Value, depth int) {
	choices := []any{7, -300, "text", 0.25, true, []byte{1}, []string{"a", ""}, Args{1, 0},
		Inner{"n", nil}, []Inner{{"n", nil}}, map[string]int{"k": 1}, someTime(random)}
	switch choice := random.Intn(len(choices) + 4); {
	case choice < len(choices):
		v.Set(reflect.ValueOf(choices[choice]))
	case choice%2 == 0 && depth < deepest:
		person := new(Person)
		fill(random, reflect.ValueOf(person).Elem(), depth+1, false)
		v.Set(reflect.ValueOf(person))
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

func someFloat(random *rand.Rand) float64 {
	if random.Intn(2) == 0 {
		return floats[random.Intn(len(floats))]
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
