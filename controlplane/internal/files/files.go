// Package files writes what a server keeps: whole or not at all, and private
// unless it says otherwise.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// Private is the mode of keys, tokens and kubeconfigs.
	Private fs.FileMode = 0o600
	// PrivateDir is the mode of every folder.
	PrivateDir fs.FileMode = 0o700
)

// Write puts data under path in one step: after a power cut there is the old
// file or the new one.
func Write(path string, data []byte, mode fs.FileMode) error {
	if err := MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(tmp.Chmod(mode), writeSync(tmp, data), tmp.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// MakeDir makes a private folder and its missing parents.
func MakeDir(path string) error {
	if err := os.MkdirAll(path, PrivateDir); err != nil {
		return fmt.Errorf("cannot make the folder %s: %w", path, err)
	}
	return nil
}

// Exists tells whether path is there; an error other than absence counts as
// there, so that the read that follows reports it.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

func writeSync(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
