// Command daas-loadgen measures an HTTP/1.1 server: request rate and latency of one GET, or how long a write takes
// to arrive as a watch event. It prints one JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

const usage = `daas-loadgen measures an HTTP/1.1 server and prints one JSON object.

  daas-loadgen load  -url URL [-c N] [-d DURATION | -n COUNT] [-warmup DURATION]
  daas-loadgen watch -url WATCH_URL -write-url URL [-n COUNT] [-interval DURATION]

Common flags: -ca FILE (PEM), -token-file FILE (bearer token), -accept TYPE.
watch also takes -write-ca and -write-token-file for the object that is patched.
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var result any
	var err error
	switch os.Args[1] {
	case "load":
		result, err = load(os.Args[2:])
	case "watch":
		result, err = watch(os.Args[2:])
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "daas-loadgen:", err)
		os.Exit(1)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(result); err != nil {
		os.Exit(1)
	}
}

func load(arguments []string) (any, error) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	address := flags.String("url", "", "what to GET")
	ca := flags.String("ca", "", "PEM file with the server's CA")
	token := flags.String("token-file", "", "file with a bearer token")
	accept := flags.String("accept", "application/json", "Accept header")
	connections := flags.Int("c", 1, "connections")
	duration := flags.Duration("d", 5*time.Second, "how long to measure")
	count := flags.Int64("n", 0, "how many requests to measure instead of a duration")
	warmUp := flags.Duration("warmup", time.Second, "how long to load before measuring")
	_ = flags.Parse(arguments)
	t, err := newTarget(*address, *ca, *token, *accept)
	if err != nil {
		return nil, err
	}
	if *connections < 1 {
		return nil, fmt.Errorf("-c must be at least 1, not %d", *connections)
	}
	return runLoad(loadPlan{target: t, connections: *connections, duration: *duration, count: *count, warmUp: *warmUp})
}

func watch(arguments []string) (any, error) {
	flags := flag.NewFlagSet("watch", flag.ExitOnError)
	address := flags.String("url", "", "the watch")
	ca := flags.String("ca", "", "PEM file with the watch server's CA")
	token := flags.String("token-file", "", "file with a bearer token for the watch")
	writeURL := flags.String("write-url", "", "the ConfigMap to patch")
	writeCA := flags.String("write-ca", "", "PEM file with the CA of the server that is written to")
	writeToken := flags.String("write-token-file", "", "file with a bearer token for the write")
	accept := flags.String("accept", "application/json", "Accept header")
	count := flags.Int("n", 50, "how many writes")
	interval := flags.Duration("interval", 20*time.Millisecond, "pause between writes")
	_ = flags.Parse(arguments)
	watched, err := newTarget(*address, *ca, *token, *accept)
	if err != nil {
		return nil, err
	}
	written, err := newTarget(*writeURL, *writeCA, *writeToken, *accept)
	if err != nil {
		return nil, err
	}
	return runWatch(watchPlan{watch: watched, write: written, count: *count, interval: *interval})
}
