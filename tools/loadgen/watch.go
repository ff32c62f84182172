package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	eventTimeout = 10 * time.Second
	maxEvent     = 1 << 20
)

type watchPlan struct {
	watch    *target
	write    *target
	count    int
	interval time.Duration
}

type watchResult struct {
	Events  int     `json:"events"`
	Latency latency `json:"write_to_event"`
	Writes  latency `json:"write_to_answer"`
}

// runWatch measures, for every write, the time from its first byte to the arrival of the watch event that carries it.
// The events are told apart by a mark in the object's data, which is unique to this run.
func runWatch(plan watchPlan) (watchResult, error) {
	stream, err := plan.watch.dial()
	if err != nil {
		return watchResult{}, err
	}
	defer stream.conn.Close()
	if err := stream.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return watchResult{}, err
	}
	if _, err := stream.conn.Write(plan.watch.request("GET", "", nil)); err != nil {
		return watchResult{}, err
	}
	header, err := stream.readHeader()
	if err != nil {
		return watchResult{}, err
	}
	if header.status != 200 {
		return watchResult{}, fmt.Errorf("the watch was answered with status %d", header.status)
	}
	if err := stream.conn.SetDeadline(time.Time{}); err != nil {
		return watchResult{}, err
	}

	type arrival struct {
		line []byte
		at   time.Time
	}
	arrivals := make(chan arrival, 1024)
	ended := make(chan error, 1)
	go func() {
		var pending []byte
		ended <- stream.chunks(header, func(part []byte) bool {
			now := time.Now()
			pending = append(pending, part...)
			for {
				line, rest, found := bytes.Cut(pending, []byte("\n"))
				if !found {
					return len(pending) <= maxEvent
				}
				arrivals <- arrival{bytes.Clone(line), now}
				pending = bytes.Clone(rest)
			}
		})
	}()

	writer, err := plan.write.dial()
	if err != nil {
		return watchResult{}, err
	}
	defer writer.conn.Close()
	run := time.Now().UnixNano()
	delivery := make([]time.Duration, 0, plan.count)
	answers := make([]time.Duration, 0, plan.count)
	for i := 0; i < plan.count; i++ {
		mark := fmt.Sprintf("daas-tick-%d-%d", run, i)
		body, err := json.Marshal(map[string]any{"data": map[string]string{"tick": mark}})
		if err != nil {
			return watchResult{}, err
		}
		start := time.Now()
		a, _, err := writer.roundTrip(plan.write.request("PATCH", "application/merge-patch+json", body))
		if err != nil {
			return watchResult{}, err
		}
		if a.status != 200 {
			return watchResult{}, fmt.Errorf("the write was answered with status %d", a.status)
		}
		answers = append(answers, time.Since(start))
		timer := time.NewTimer(eventTimeout)
		for waiting := true; waiting; {
			select {
			case event := <-arrivals:
				if bytes.Contains(event.line, []byte(`"`+mark+`"`)) {
					delivery = append(delivery, event.at.Sub(start))
					waiting = false
				}
			case err := <-ended:
				return watchResult{}, fmt.Errorf("the watch ended early: %v", err)
			case <-timer.C:
				return watchResult{}, errors.New("no event within " + eventTimeout.String() + " of the write")
			}
		}
		timer.Stop()
		time.Sleep(plan.interval)
	}
	return watchResult{Events: len(delivery), Latency: percentiles(delivery), Writes: percentiles(answers)}, nil
}
