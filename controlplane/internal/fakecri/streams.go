package fakecri

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// streams is what the streaming server runs.
type streams struct{}

func (*streams) Exec(ctx context.Context, _ string, cmd []string, in io.Reader, out, stderr io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	return execute(ctx, cmd, in, out, stderr, resize)
}

func (*streams) Attach(ctx context.Context, id string, in io.Reader, out, stderr io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	if out != nil {
		fmt.Fprintf(out, "attached to %s\n", id)
	}
	return execute(ctx, []string{"cat"}, in, out, stderr, resize)
}

// PortForward echoes: whatever port is asked for.
func (*streams) PortForward(_ context.Context, _ string, _ int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	_, err := io.Copy(stream, stream)
	return err
}

// execute runs one of the commands this runtime knows:
//
//	cat              stdin to stdout
//	echo WORD...     the words
//	stderr WORD...   the words, to stderr
//	exit N           exit code N
//	size             the terminal's size, once it is known
//	zeros N          N zero bytes
//	anything else    prints itself, then behaves as cat
func execute(ctx context.Context, cmd []string, in io.Reader, out, stderr io.Writer, resize <-chan remotecommand.TerminalSize) error {
	words := strings.Join(cmd[min(1, len(cmd)):], " ")
	verb := ""
	if len(cmd) > 0 {
		verb = cmd[0]
	}
	switch verb {
	case "cat":
		return copyIn(in, out)
	case "echo":
		return printTo(out, words)
	case "stderr":
		return printTo(stderr, words)
	case "exit":
		code, err := strconv.Atoi(words)
		if err != nil {
			return fmt.Errorf("exit %q: not a number", words)
		}
		if code == 0 {
			return nil
		}
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	case "size":
		select {
		case size := <-resize:
			return printTo(out, fmt.Sprintf("%d %d", size.Height, size.Width))
		case <-ctx.Done():
			return ctx.Err()
		}
	case "zeros":
		count, err := strconv.ParseInt(words, 10, 64)
		if err != nil || out == nil {
			return err
		}
		_, err = io.CopyN(out, zeros{}, count)
		return err
	}
	if err := printTo(out, strings.Join(cmd, " ")); err != nil {
		return err
	}
	return copyIn(in, out)
}

func copyIn(in io.Reader, out io.Writer) error {
	if in == nil || out == nil {
		return nil
	}
	_, err := io.Copy(out, in)
	return err
}

func printTo(w io.Writer, text string) error {
	if w == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
