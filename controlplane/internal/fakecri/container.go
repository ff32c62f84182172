package fakecri

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// container is one that "runs". Its command decides how:
//
//	["exit", "3"]   ends with code 3 after a second
//	["tick", ...]   logs a line every second
//	anything else   logs its command and stays
type container struct {
	name    string
	command []string
	logPath string

	mu     sync.Mutex
	log    *os.File
	stop   chan struct{}
	closed bool
}

func (c *container) openLog() error {
	if c.logPath == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.logPath), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(c.logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log != nil {
		c.log.Close()
	}
	c.log = file
	return nil
}

// line writes in the CRI log format: time, stream, F for a full line, text.
func (c *container) line(stream, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log != nil && !c.closed {
		fmt.Fprintf(c.log, "%s %s F %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, text)
	}
}

func (c *container) live(exit func(code int32)) {
	c.line("stdout", c.name+" runs "+strings.Join(c.command, " "))
	verb := ""
	if len(c.command) > 0 {
		verb = c.command[0]
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for count := 1; ; count++ {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
		}
		switch verb {
		case "exit":
			code := 0
			if len(c.command) > 1 {
				code, _ = strconv.Atoi(c.command[1])
			}
			c.line("stderr", fmt.Sprintf("exits with code %d", code))
			c.close()
			exit(int32(code))
			return
		case "tick":
			c.line("stdout", fmt.Sprintf("tick %d", count))
		default:
			<-c.stop
			return
		}
	}
}

func (c *container) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	close(c.stop)
	if c.log != nil {
		c.log.Close()
	}
}
