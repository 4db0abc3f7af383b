// A service of the standard library alone, whose key set is cached for a second.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	lock    sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
)

func number(text string) *big.Int {
	bytes, _ := base64.RawURLEncoding.DecodeString(text)
	return new(big.Int).SetBytes(bytes)
}

func key(kid string) (*ecdsa.PublicKey, error) {
	lock.Lock()
	defer lock.Unlock()
	if time.Since(fetched) > time.Second {
		answer, err := http.Get(os.Getenv("JWKS_URL"))
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		var set struct{ Keys []struct{ Kid, Crv, X, Y string } }
		if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
			return nil, err
		}
		keys, fetched = map[string]*ecdsa.PublicKey{}, time.Now()
		for _, one := range set.Keys {
			keys[one.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(one.X), Y: number(one.Y)}
		}
	}
	if keys[kid] == nil {
		return nil, errors.New("no such key: " + kid)
	}
	return keys[kid], nil
}

func verify(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("no token")
	}
	var header struct{ Alg, Kid, Typ string }
	var claims struct {
		Iss, Aud string
		Exp      int64
	}
	for at, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[at])
		if err != nil || json.Unmarshal(text, into) != nil {
			return "", errors.New("not JSON")
		}
	}
	public, err := key(header.Kid)
	if err != nil {
		return "", err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || len(signature) != 64 || header.Alg != "ES256" || header.Typ != "at+jwt" ||
		!ecdsa.Verify(public, hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", errors.New("bad signature")
	}
	if claims.Iss != os.Getenv("ISSUER") || claims.Aud != os.Getenv("AUDIENCE") || claims.Exp < time.Now().Unix() {
		return "", errors.New("bad claims")
	}
	return header.Kid, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kid, err := verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			w.WriteHeader(401)
			kid = err.Error()
		}
		fmt.Fprint(w, kid)
	})))
}
