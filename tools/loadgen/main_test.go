package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLoadCountsWhatTheServerSaw(t *testing.T) {
	var seen sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.RemoteAddr, true)
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(401)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := newTarget(server.URL+"/x?y=1", "", token, "application/json")
	if err != nil {
		t.Fatal(err)
	}
	result, err := runLoad(loadPlan{target: target, connections: 4, count: 200})
	if err != nil || result.Requests != 200 || result.Errors != 0 || result.Bytes != 200*5000 {
		t.Fatalf("%+v %v", result, err)
	}
	connections := 0
	seen.Range(func(_, _ any) bool { connections++; return true })
	if connections != 4 {
		t.Fatalf("%d connections, not 4", connections)
	}
}

func TestLoadReadsChunkedAnswersAndCountsRefusals(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls%2 == 0 {
			w.WriteHeader(503)
			return
		}
		for range 3 {
			_, _ = io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	target, _ := newTarget(server.URL, "", "", "*/*")
	result, err := runLoad(loadPlan{target: target, connections: 1, count: 10})
	if err != nil || result.Requests != 5 || result.Errors != 5 || result.Bytes != 45 {
		t.Fatalf("%+v %v", result, err)
	}
}

func TestLoadRefusesAServerWhoseCertificateIsNotOfTheCA(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	target, _ := newTarget(server.URL, "", "", "*/*")
	if _, err := runLoad(loadPlan{target: target, connections: 1, count: 1}); err == nil {
		t.Fatal("an unknown certificate was accepted")
	}
}

func TestWatchMeasuresTheDelayOfTheServer(t *testing.T) {
	events := make(chan string, 16)
	mark := regexp.MustCompile(`daas-tick-[0-9-]+`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PATCH" {
			body, _ := io.ReadAll(r.Body)
			tick := mark.FindString(string(body))
			time.AfterFunc(30*time.Millisecond, func() { events <- tick })
			_, _ = io.WriteString(w, "{}")
			return
		}
		w.(http.Flusher).Flush()
		for tick := range events {
			fmt.Fprintf(w, "{\"tick\":%q}\n", tick)
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	defer close(events)
	target, _ := newTarget(server.URL, "", "", "*/*")
	result, err := runWatch(watchPlan{watch: target, write: target, count: 5})
	if err != nil || result.Events != 5 || result.Latency.P50 < 29 || result.Latency.P50 > 300 {
		t.Fatalf("%+v %v", result, err)
	}
}

func TestPercentiles(t *testing.T) {
	var samples []time.Duration
	for i := 100; i > 0; i-- {
		samples = append(samples, time.Duration(i)*time.Millisecond)
	}
	got := percentiles(samples)
	if got.P50 != 50 || got.P99 != 99 || got.Max != 100 {
		t.Fatalf("%+v", got)
	}
}
