package main

import (
	"errors"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const maxErrorSamples = 5

type loadPlan struct {
	target      *target
	connections int
	duration    time.Duration
	count       int64
	warmUp      time.Duration
}

// latency is in milliseconds.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

type loadResult struct {
	Connections       int            `json:"connections"`
	Requests          int            `json:"requests"`
	Seconds           float64        `json:"seconds"`
	RequestsPerSecond float64        `json:"requests_per_second"`
	Latency           latency        `json:"latency"`
	Bytes             int64          `json:"bytes"`
	Errors            int64          `json:"errors"`
	ErrorSamples      []string       `json:"error_samples,omitempty"`
	Statuses          map[string]int `json:"statuses"`
}

// percentiles sorts samples in place.
func percentiles(samples []time.Duration) latency {
	if len(samples) == 0 {
		return latency{}
	}
	sort.Slice(samples, func(i, j int) bool { return samples[i] < samples[j] })
	at := func(share float64) float64 {
		index := int(share * float64(len(samples)-1))
		return float64(samples[index].Microseconds()) / 1000
	}
	return latency{P50: at(0.50), P90: at(0.90), P99: at(0.99), Max: at(1)}
}

// shard is what one connection measured; the shards are joined after the run so that nothing is shared during it.
type shard struct {
	samples  []time.Duration
	bytes    int64
	statuses map[int]int
	errors   []string
	failed   int64
}

func (s *shard) fail(err error) {
	s.failed++
	if len(s.errors) < maxErrorSamples {
		s.errors = append(s.errors, err.Error())
	}
}

func runLoad(plan loadPlan) (loadResult, error) {
	request := plan.target.request("GET", "", nil)
	connections := make([]*connection, plan.connections)
	for i := range connections {
		c, err := plan.target.dial()
		if err != nil {
			return loadResult{}, err
		}
		defer c.conn.Close()
		connections[i] = c
	}
	if plan.warmUp > 0 {
		drive(plan.target, connections, request, plan.warmUp, 0)
	}
	start := time.Now()
	shards := drive(plan.target, connections, request, plan.duration, plan.count)
	seconds := time.Since(start).Seconds()

	result := loadResult{Connections: plan.connections, Seconds: seconds, Statuses: map[string]int{}}
	var samples []time.Duration
	for _, s := range shards {
		samples = append(samples, s.samples...)
		result.Bytes += s.bytes
		result.Errors += s.failed
		for status, n := range s.statuses {
			result.Statuses[strconv.Itoa(status)] += n
		}
		for _, text := range s.errors {
			if len(result.ErrorSamples) < maxErrorSamples {
				result.ErrorSamples = append(result.ErrorSamples, text)
			}
		}
	}
	result.Requests = len(samples)
	result.RequestsPerSecond = float64(len(samples)) / seconds
	result.Latency = percentiles(samples)
	if result.Requests == 0 {
		return result, errors.New("no request succeeded")
	}
	return result, nil
}

// drive repeats the request on every connection until the duration is over or count requests were started.
// A failed connection is dialled again, and the failure counted.
func drive(t *target, connections []*connection, request []byte, duration time.Duration, count int64) []*shard {
	var started atomic.Int64
	deadline := time.Now().Add(duration)
	more := func() bool {
		if count > 0 {
			return started.Add(1) <= count
		}
		return time.Now().Before(deadline)
	}
	shards := make([]*shard, len(connections))
	var group sync.WaitGroup
	for i := range connections {
		s := &shard{statuses: map[int]int{}}
		shards[i] = s
		group.Add(1)
		go func(index int) {
			defer group.Done()
			for more() {
				before := time.Now()
				a, n, err := connections[index].roundTrip(request)
				if err == nil {
					s.statuses[a.status]++
					s.bytes += n
					if a.status >= 200 && a.status < 300 {
						s.samples = append(s.samples, time.Since(before))
					} else {
						s.fail(errors.New("status " + strconv.Itoa(a.status)))
					}
					if !a.closing {
						continue
					}
				} else {
					s.fail(err)
				}
				connections[index].conn.Close()
				fresh, err := t.dial()
				if err != nil {
					s.fail(err)
					return
				}
				connections[index] = fresh
			}
		}(i)
	}
	group.Wait()
	return shards
}
