package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Lock takes a folder for this process until it ends, however it ends. Without
// it a second server would wait for the first one's database without a word,
// or, with a datastore elsewhere, run beside it.
// The folder becomes private: whoever puts a CA there first has made it, in
// whatever mode.
func Lock(path string) (release func(), err error) {
	folder := filepath.Dir(path)
	if err := MakeDir(folder); err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, PrivateDir); err != nil {
		return nil, fmt.Errorf("cannot make the folder private: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, Private)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server runs on %s; stop it, or give another --data-dir", folder)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
