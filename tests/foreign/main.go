// A verifier that was written by others: golang.org/x/mod's note and tlog check what Assent's log signs and proves.
//
// It reads JSON on stdin. `accept` exits 1 and says why unless the note, every proof and every consistency proof is good.
// `produce` signs and proves the same entries itself, with the key it is given, and prints what came out.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type consistency struct {
	Old    int64    `json:"old"`
	New    int64    `json:"new"`
	Hashes []string `json:"hashes"`
}

type given struct {
	Vkey          string        `json:"vkey"`
	Skey          string        `json:"skey"`
	Entries       []string      `json:"entries"`
	Note          string        `json:"note"`
	Proofs        []string      `json:"proofs"`
	Roots         []string      `json:"roots"`
	Consistencies []consistency `json:"consistencies"`
}

type produced struct {
	Vkey          string        `json:"vkey"`
	Entries       []string      `json:"entries"`
	Note          string        `json:"note"`
	Paths         [][]string    `json:"paths"`
	Roots         []string      `json:"roots"`
	Consistencies []consistency `json:"consistencies"`
}

func main() {
	var in given
	must(json.NewDecoder(os.Stdin).Decode(&in))
	switch os.Args[1] {
	case "accept":
		accept(in)
		fmt.Println("accepted")
	case "produce":
		out := json.NewEncoder(os.Stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", " ")
		must(out.Encode(produce(in)))
	default:
		must(fmt.Errorf("unknown command %q", os.Args[1]))
	}
}

// open checks the signature and returns the origin and the tree that the checkpoint names.
func open(text, vkey string) (string, tlog.Tree) {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		must(fmt.Errorf("malformed checkpoint %q", opened.Text))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return lines[0], tlog.Tree{N: size, Hash: hash(lines[2])}
}

func accept(in given) {
	_, tree := open(in.Note, in.Vkey)
	for i, text := range in.Proofs {
		parts := strings.SplitN(text, "\n\n", 2)
		lines := strings.Split(parts[0], "\n")
		if len(parts) != 2 || parts[1] != in.Note || lines[0] != "c2sp.org/tlog-proof@v1" {
			must(fmt.Errorf("malformed proof %q", text))
		}
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
		must(err)
		var path tlog.RecordProof
		for _, line := range lines[2:] {
			path = append(path, hash(line))
		}
		must(tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash([]byte(in.Entries[i]))))
	}
	for _, one := range in.Consistencies {
		var path tlog.TreeProof
		for _, line := range one.Hashes {
			path = append(path, hash(line))
		}
		must(tlog.CheckTree(path, one.New, hash(in.Roots[one.New]), one.Old, hash(in.Roots[one.Old])))
	}
}

func produce(in given) produced {
	out := produced{Entries: in.Entries, Roots: []string{}}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	root := func(size int64) tlog.Hash {
		found, err := tlog.TreeHash(size, reader)
		must(err)
		return found
	}
	size := int64(len(in.Entries))
	for i, entry := range in.Entries {
		hashes, err := tlog.StoredHashes(int64(i), []byte(entry), reader)
		must(err)
		stored = append(stored, hashes...)
	}
	for i := int64(1); i <= size; i++ {
		out.Roots = append(out.Roots, root(i).String())
		path, err := tlog.ProveRecord(size, i-1, reader)
		must(err)
		out.Paths = append(out.Paths, texts(path))
		for old := int64(1); old <= i; old++ {
			path, err := tlog.ProveTree(i, old, reader)
			must(err)
			out.Consistencies = append(out.Consistencies, consistency{old, i, texts(path)})
		}
	}
	signer, err := note.NewSigner(in.Skey)
	must(err)
	body := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, root(size))
	signed, err := note.Sign(&note.Note{Text: body}, signer)
	must(err)
	out.Note, out.Vkey = string(signed), in.Vkey
	open(out.Note, out.Vkey)
	return out
}

func texts(hashes []tlog.Hash) []string {
	found := []string{}
	for _, one := range hashes {
		found = append(found, one.String())
	}
	return found
}

func hash(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	must(err)
	if len(data) != tlog.HashSize {
		must(fmt.Errorf("%q is not a hash", text))
	}
	return *(*tlog.Hash)(data)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
