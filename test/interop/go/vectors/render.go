package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strings"
	"time"
)

// render gives a value as the receiver should see it: what gob does not send
// (nil slices, zero pointers to numbers) as zero, a nil map in a field and nil
// pointers as null.
func render(v reflect.Value, isField bool) any {
	switch at := v.Interface().(type) {
	case time.Time:
		zone := "UTC"
		if _, offset := at.Zone(); at.Location() != time.UTC {
			zone = fmt.Sprint(offset)
		}
		return map[string]any{"time": fmt.Sprintf("%d %d %s", at.Unix(), at.Nanosecond(), zone)}
	case Coin:
		data, _ := at.GobEncode()
		return opaque(v, isField, hex.EncodeToString(data))
	case Blob:
		return opaque(v, isField, hex.EncodeToString([]byte(at.bytes)))
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String:
		return v.Interface()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"int": fmt.Sprint(v.Int())}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"int": fmt.Sprint(v.Uint())}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"float": bits(v.Float(), isField)}
	case reflect.Complex64, reflect.Complex128:
		c := v.Complex()
		isZero := isField && c == 0
		return map[string]any{"complex": bits(real(c), isZero) + " " + bits(imag(c), isZero)}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return map[string]any{"bytes": hex.EncodeToString(v.Bytes())}
		}
		list := []any{}
		for i := 0; i < v.Len(); i++ {
			list = append(list, render(v.Index(i), false))
		}
		return list
	case reflect.Map:
		return renderMap(v, isField)
	case reflect.Struct:
		fields := map[string]any{}
		for _, f := range sent(v.Type()) {
			fields[f.Name] = render(v.FieldByIndex(f.Index), true)
		}
		return map[string]any{"struct": fields}
	case reflect.Pointer:
		return renderPointer(v, isField)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return render(v.Elem(), false)
	}
	panic(v.Type())
}

func renderPointer(v reflect.Value, isField bool) any {
	if !v.IsNil() {
		return render(v.Elem(), isField)
	}
	t := v.Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if k := t.Kind(); (k == reflect.Struct && t != reflect.TypeOf(time.Time{})) || k == reflect.Array {
		return nil
	}
	return render(reflect.Zero(t), isField)
}

// opaque is a value in its own encoding; left out, it is nothing.
func opaque(v reflect.Value, isField bool, text string) any {
	if isField && v.IsZero() {
		return nil
	}
	return map[string]any{"opaque": text}
}

func renderMap(v reflect.Value, isField bool) any {
	if isField && v.IsNil() {
		return map[string]any{"map": nil}
	}
	pairs := [][2]string{}
	for _, key := range v.MapKeys() {
		pairs = append(pairs, [2]string{text(render(key, false)), text(render(v.MapIndex(key), false))})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
	return map[string]any{"map": pairs}
}

// text is JSON with sorted keys.
func text(rendered any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(rendered); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// bits tells -0 from 0, except in a field, where both are left out.
func bits(f float64, isField bool) string {
	if f == 0 && (isField || !math.Signbit(f)) {
		return "0"
	}
	return fmt.Sprintf("%x", math.Float64bits(f))
}

// sent are the fields that gob sends.
func sent(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		if k := f.Type.Kind(); f.IsExported() && k != reflect.Func && k != reflect.Chan {
			fields = append(fields, f)
		}
	}
	return fields
}

// declare gives a type as geerpc's formatGobType does.
func declare(t reflect.Type) string {
	if t.Kind() == reflect.Struct && t.Name() == "" {
		return strings.TrimSuffix(strings.TrimPrefix(declareIn(t, nil), "{"), "}")
	}
	return declareIn(t, nil)
}

func declareIn(t reflect.Type, open []reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeOf(time.Time{}):
		return "time"
	case reflect.TypeOf(Coin{}):
		return "gob(Coin)"
	case reflect.TypeOf(Blob{}):
		return "binary(Blob)"
	}
	for _, one := range open {
		if one == t {
			return t.Name()
		}
	}
	inside := open
	if t.Name() != "" {
		inside = append(open[:len(open):len(open)], t)
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "[]byte"
		}
		return "[]" + declareIn(t.Elem(), inside)
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), declareIn(t.Elem(), inside))
	case reflect.Map:
		return fmt.Sprintf("map[%s]%s", declareIn(t.Key(), inside), declareIn(t.Elem(), inside))
	case reflect.Struct:
		var fields []string
		for _, f := range sent(t) {
			fields = append(fields, f.Name+":"+declareIn(f.Type, inside))
		}
		return t.Name() + "{" + strings.Join(fields, ",") + "}"
	case reflect.Interface:
		return "any"
	}
	return widest(t.Kind().String())
}

// widest drops the width of a basic type's name.
func widest(name string) string {
	switch base := strings.TrimRight(name, "0123456789"); base {
	case "float":
		return "float64"
	case "complex":
		return "complex128"
	default:
		return base
	}
}
