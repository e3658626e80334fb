package main

import (
	"fmt"
	"net/rpc"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// As in load.ts; the bench puts the latencies into the histogram that the
// other clients use.
type sliceRequest struct {
	Case       string  `json:"case"`
	InFlight   int     `json:"inFlight"`
	DurationMs float64 `json:"durationMs"`
}

type sliceAnswer struct {
	Count     int64   `json:"count"`
	ElapsedMs float64 `json:"elapsedMs"`
	// Pairs: so many µs, how many calls took them.
	Latencies [][2]int64 `json:"latencies"`
}

type load struct {
	client     *rpc.Client
	firstOrder Order
}

// run keeps so many calls in flight for so long, at least one in each place.
func (l load) run(request sliceRequest) (sliceAnswer, error) {
	call := l.sum
	if request.Case == "echo-1k" {
		call = l.echo
	}
	startedAt := time.Now()
	until := startedAt.Add(time.Duration(request.DurationMs * float64(time.Millisecond)))
	var next atomic.Int64
	var places sync.WaitGroup
	latencies := make([][]int64, request.InFlight)
	errs := make([]error, request.InFlight)
	for place := range latencies {
		places.Add(1)
		go func(place int) {
			defer places.Done()
			for begunAt := startedAt; ; {
				if errs[place] = call(int(next.Add(1) - 1)); errs[place] != nil {
					return
				}
				endedAt := time.Now()
				latencies[place] = append(latencies[place], int64(endedAt.Sub(begunAt)))
				if begunAt = endedAt; !begunAt.Before(until) {
					return
				}
			}
		}(place)
	}
	places.Wait()
	answer := sliceAnswer{Count: next.Load(), ElapsedMs: ms(time.Since(startedAt))}
	countOf := map[int64]int64{}
	for place, each := range latencies {
		if errs[place] != nil {
			return answer, errs[place]
		}
		for _, ns := range each {
			countOf[(ns+999)/1000]++
		}
	}
	for us, count := range countOf {
		answer.Latencies = append(answer.Latencies, [2]int64{us, count})
	}
	return answer, nil
}

func ms(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}

func (l load) sum(call int) error {
	args := Numbers{1000 + call%1000, 1000 + call/1000%1000}
	var reply int
	if err := l.client.Call("Foo.Sum", args, &reply); err != nil {
		return err
	}
	return check(reply == args.Num1+args.Num2, call)
}

func (l load) echo(call int) error {
	order := l.firstOrder
	order.ID += call % 256
	order.Total += float64(call % 256)
	var reply Order
	if err := l.client.Call("Foo.Echo", order, &reply); err != nil {
		return err
	}
	if call%64 == 0 {
		return check(reflect.DeepEqual(reply, order), call)
	}
	last := len(order.Lines) - 1
	return check(reply.ID == order.ID && reply.Total == order.Total &&
		len(reply.Lines) == last+1 && reply.Lines[last].SKU == order.Lines[last].SKU, call)
}

func check(isRight bool, call int) error {
	if isRight {
		return nil
	}
	return fmt.Errorf("the answer to call %d is wrong", call)
}
