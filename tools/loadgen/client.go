package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limits on what a server may send. A benchmark must end even if the server misbehaves.
const (
	maxHeaderLines = 128
	readBuffer     = 64 << 10
	dialTimeout    = 10 * time.Second
	requestTimeout = 30 * time.Second
)

// target is one URL with everything that is needed to connect to it and to write requests for it.
type target struct {
	address string
	host    string
	path    string
	tls     *tls.Config
	token   string
	accept  string
}

func newTarget(raw, caFile, tokenFile, accept string) (*target, error) {
	parsed, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	t := &target{host: parsed.Host, address: parsed.Host, path: parsed.RequestURI(), accept: accept}
	switch parsed.Scheme {
	case "http":
		if parsed.Port() == "" {
			t.address = net.JoinHostPort(parsed.Hostname(), "80")
		}
	case "https":
		if parsed.Port() == "" {
			t.address = net.JoinHostPort(parsed.Hostname(), "443")
		}
		t.tls = &tls.Config{ServerName: parsed.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		if caFile != "" {
			pem, err := os.ReadFile(caFile)
			if err != nil {
				return nil, err
			}
			t.tls.RootCAs = x509.NewCertPool()
			if !t.tls.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s holds no PEM certificate", caFile)
			}
		}
	default:
		return nil, fmt.Errorf("%q: the scheme must be http or https", raw)
	}
	if tokenFile != "" {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		t.token = strings.TrimSpace(string(token))
	}
	return t, nil
}

// request renders one request; the bytes are reused for every repetition.
func (t *target) request(method, contentType string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\nUser-Agent: daas-loadgen\r\n", method, t.path, t.host, t.accept)
	if t.token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.token)
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", contentType, len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// connection is one kept-alive HTTP/1.1 connection. It is written by hand because net/http costs several times the
// CPU, which on a small machine would be taken from the server that is being measured.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	sink   []byte
}

func (t *target) dial() (*connection, error) {
	conn, err := net.DialTimeout("tcp", t.address, dialTimeout)
	if err != nil {
		return nil, err
	}
	if t.tls != nil {
		secure := tls.Client(conn, t.tls)
		if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
			return nil, err
		}
		if err := secure.Handshake(); err != nil {
			conn.Close()
			return nil, err
		}
		if err := conn.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
		conn = secure
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, readBuffer), sink: make([]byte, readBuffer)}, nil
}

// answer is what a response header says about the response.
type answer struct {
	status  int
	length  int64
	chunked bool
	closing bool
}

var errTooManyHeaders = errors.New("more header lines than allowed")

func (c *connection) readHeader() (answer, error) {
	a := answer{length: -1}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return a, fmt.Errorf("not an HTTP/1 status line: %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	for count := 0; ; count++ {
		if count == maxHeaderLines {
			return a, errTooManyHeaders
		}
		line, err = c.reader.ReadSlice('\n')
		if err != nil {
			return a, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return a, nil
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return a, fmt.Errorf("not a header line: %q", line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if a.length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return a, err
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			a.chunked = bytes.EqualFold(value, []byte("chunked"))
		case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")):
			a.closing = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// readChunkHeader returns the size of the next chunk; 0 ends the body (and the trailers have been read).
func (c *connection) readChunkHeader() (int64, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	size, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("not a chunk header: %q", line)
	}
	if n > 0 {
		return n, nil
	}
	for count := 0; count < maxHeaderLines; count++ {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return 0, nil
		}
	}
	return 0, errTooManyHeaders
}

func (c *connection) discard(n int64) error {
	for n > 0 {
		part := c.sink
		if n < int64(len(part)) {
			part = part[:n]
		}
		read, err := c.reader.Read(part)
		if err != nil {
			return err
		}
		n -= int64(read)
	}
	return nil
}

// roundTrip sends one rendered request and reads the whole answer.
func (c *connection) roundTrip(request []byte) (answer, int64, error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return answer{}, 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return answer{}, 0, err
	}
	a, err := c.readHeader()
	if err != nil {
		return a, 0, err
	}
	if !a.chunked {
		if a.length < 0 {
			return a, 0, errors.New("an answer without a length would need the connection's end")
		}
		return a, a.length, c.discard(a.length)
	}
	var total int64
	for {
		n, err := c.readChunkHeader()
		if err != nil || n == 0 {
			return a, total, err
		}
		total += n
		if err := c.discard(n); err != nil {
			return a, total, err
		}
		if _, err := c.reader.Discard(2); err != nil {
			return a, total, err
		}
	}
}

// chunks hands every piece of a streamed answer to take until take says stop, the body ends or the deadline passes.
func (c *connection) chunks(a answer, take func([]byte) (more bool)) error {
	if !a.chunked {
		return errors.New("a watch must be answered with a chunked body")
	}
	for {
		n, err := c.readChunkHeader()
		if err != nil {
			return err
		}
		if n == 0 {
			return io.EOF
		}
		for n > 0 {
			part := c.sink
			if n < int64(len(part)) {
				part = part[:n]
			}
			read, err := c.reader.Read(part)
			if err != nil {
				return err
			}
			n -= int64(read)
			if !take(part[:read]) {
				return nil
			}
		}
		if _, err := c.reader.Discard(2); err != nil {
			return err
		}
	}
}
