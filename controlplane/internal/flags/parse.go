package flags

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// ErrHelp says that the user asked for help and has it.
var ErrHelp = pflag.ErrHelp

// Values are the flags of one run, checked.
type Values struct {
	command string
	single  map[string]string
	lists   map[string][]string
	given   map[string]bool
	fromEnv map[string]bool
}

// Parse reads a command line against a table. Values come from the command
// line, else from the environment as K3s reads it, else from the table.
func Parse(command string, table []Flag, arguments []string, env func(string) (string, bool), help io.Writer) (*Values, error) {
	fs := pflag.NewFlagSet(command, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	for _, f := range table {
		text := f.Help
		if f.Env != "" {
			text += " [$" + f.Env + "]"
		}
		switch f.Kind {
		case Switch:
			fs.BoolP(f.Name, f.Short, f.Default == "true", text)
		case List:
			fs.StringArrayP(f.Name, f.Short, nil, text)
		default:
			fs.StringP(f.Name, f.Short, f.Default, text)
		}
	}
	if err := noLongNameAfterOneDash(table, arguments); err != nil {
		return nil, err
	}
	if err := fs.Parse(arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintf(help, "Usage: daas-k3s %s [flags]\n\n%s", command, fs.FlagUsages())
			return nil, ErrHelp
		}
		return nil, fmt.Errorf("daas-k3s: %w; 'daas-k3s %s --help' lists the flags", err, command)
	}
	if rest := fs.Args(); len(rest) > 0 {
		return nil, fmt.Errorf("daas-k3s: %q is not a flag; 'daas-k3s %s --help' lists the flags", rest[0], command)
	}
	values := &Values{command: command, single: map[string]string{}, lists: map[string][]string{}, given: map[string]bool{}, fromEnv: map[string]bool{}}
	for _, f := range table {
		if err := values.take(fs, f, env); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// noLongNameAfterOneDash refuses -token=x, which K3s takes for --token=x and
// pflag for -t with the value "oken=x".
func noLongNameAfterOneDash(table []Flag, arguments []string) error {
	for _, argument := range arguments {
		name, _, _ := strings.Cut(strings.TrimPrefix(argument, "-"), "=")
		if !strings.HasPrefix(argument, "-") || len(name) < 2 {
			continue
		}
		if slices.ContainsFunc(table, func(f Flag) bool { return f.Name == name }) {
			return fmt.Errorf("daas-k3s: -%s: a long flag has two dashes: --%s", name, name)
		}
	}
	return nil
}

func (v *Values) take(fs *pflag.FlagSet, f Flag, env func(string) (string, bool)) error {
	given := fs.Changed(f.Name)
	var list []string
	if f.Kind == List {
		list, _ = fs.GetStringArray(f.Name)
	} else {
		list = []string{fs.Lookup(f.Name).Value.String()}
	}
	if !given && f.Env != "" {
		if value, ok := env(f.Env); ok && value != "" {
			given, list, v.fromEnv[f.Name] = true, []string{value}, true
		}
	}
	// K3s splits a comma-separated --disable and --tls-san.
	if f.Name == "disable" || f.Name == "tls-san" {
		list = splitCommas(list)
	}
	if given {
		for _, value := range list {
			if err := f.check(value); err != nil {
				if v.fromEnv[f.Name] {
					return fmt.Errorf("%w (it comes from %s in the environment)", err, f.Env)
				}
				return err
			}
		}
	}
	v.given[f.Name] = given
	if f.Kind == List {
		v.lists[f.Name] = list
	} else {
		v.single[f.Name] = list[0]
	}
	return nil
}

func (f Flag) check(value string) error {
	if f.Kind == Port {
		if port, err := strconv.ParseUint(value, 10, 16); err != nil || port == 0 {
			return fmt.Errorf("daas-k3s: --%s: %q is not a port from 1 to 65535", f.Name, value)
		}
	}
	if f.Check == nil {
		return nil
	}
	if err := f.Check(value); err != nil {
		text := err.Error()
		if !strings.HasPrefix(text, "--") {
			text = "--" + f.Name + ": " + text
		}
		return fmt.Errorf("daas-k3s: %s", text)
	}
	return nil
}

// Get is the value of a flag that takes one.
func (v *Values) Get(name string) string {
	value, ok := v.single[name]
	if !ok {
		panic("no flag " + name + " in the table of " + v.command)
	}
	return value
}

// All is the values of a repeatable flag.
func (v *Values) All(name string) []string {
	value, ok := v.lists[name]
	if !ok {
		panic("no list " + name + " in the table of " + v.command)
	}
	return value
}

// On is the value of a switch.
func (v *Values) On(name string) bool { return v.Get(name) == "true" }

// Given tells whether the user set the flag, on the command line or in the
// environment.
func (v *Values) Given(name string) bool { return v.given[name] }

// FromEnv tells whether the value comes from the environment.
func (v *Values) FromEnv(name string) bool { return v.fromEnv[name] }

func splitCommas(list []string) []string {
	var out []string
	for _, value := range list {
		for _, part := range strings.Split(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
