package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/rpc"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// call makes one call with the types that Foo has for it, and prints what came
// of it. A method that Foo does not have takes Args.
func call(client *rpc.Client, serviceMethod, text string) {
	args, reply := reflect.New(reflect.TypeOf(Args{})), reflect.New(reflect.TypeOf(0))
	name := serviceMethod[strings.LastIndex(serviceMethod, ".")+1:]
	if method, isThere := reflect.TypeOf(Foo{}).MethodByName(name); isThere {
		args = reflect.New(method.Type.In(1))
		reply = reflect.New(method.Type.In(2).Elem())
	}
	must(0, json.Unmarshal([]byte(text), args.Interface()))
	if err := client.Call(serviceMethod, args.Elem().Interface(), reply.Interface()); err != nil {
		printLine(map[string]string{"error": err.Error()})
		return
	}
	printLine(map[string]any{"reply": reply.Elem().Interface()})
}

// echo has values of each type echoed and compares them.
func echo(client *rpc.Client, seed int64, count int) {
	different := []string{}
	for i := 0; i < count; i++ {
		each := mirrors[i%len(mirrors)]
		if err := each.mirror.compare(client, each.name, seed+int64(i)); err != nil {
			different = append(different, fmt.Sprintf("%s of seed %d: %v", each.name, seed+int64(i), err))
		}
	}
	printLine(map[string]any{"compared": count, "different": different})
}

// bench keeps so many calls in flight, for as many milliseconds as each line of
// standard input says, and prints how many were right.
func bench(client *rpc.Client, inFlight int) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		duration := time.Duration(must(strconv.Atoi(lines.Text()))) * time.Millisecond
		counts := make([]int, inFlight)
		var running sync.WaitGroup
		start := time.Now()
		for i := range counts {
			running.Add(1)
			go func(i int) {
				defer running.Done()
				for n := 0; n == 0 || time.Since(start) < duration; n++ {
					var sum int
					if err := client.Call("Foo.Sum", Args{i, n}, &sum); err != nil || sum != i+n {
						log.Fatalf("Foo.Sum(%d, %d) is %d, %v", i, n, sum, err)
					}
					counts[i]++
				}
			}(i)
		}
		running.Wait()
		elapsed := time.Since(start)
		total := 0
		for _, count := range counts {
			total += count
		}
		printLine(map[string]any{"count": total, "elapsedMs": elapsed.Seconds() * 1000})
	}
}

// register is one heartbeat of the original's.
func register(registry, server string) error {
	request, err := http.NewRequest(http.MethodPost, registry, nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Geerpc-Server", server)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answers %s", response.Status)
	}
	return nil
}

// discover gives the servers that a registry lists.
func discover(registry string) ([]string, error) {
	response, err := http.Get(registry)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var servers []string
	for _, server := range strings.Split(response.Header.Get("X-Geerpc-Servers"), ",") {
		if strings.TrimSpace(server) != "" {
			servers = append(servers, strings.TrimSpace(server))
		}
	}
	return servers, nil
}
