// Go with golang-jwt 5 (4 will do, too). JWKS_URL, ISSUER and AUDIENCE as in gateway.toml; PORT to try it with `cloakroom attest`.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	issuer, audience = os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	// Times, issuer and audience are compared below, the same in every version of the library.
	parser  = jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	refused = errors.New("refused")
	leeway  = 5.0
)

// userOf gives the claims of whoever asks; an error: answer 401.
func userOf(request *http.Request) (jwt.MapClaims, error) {
	scheme, text, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || len(text) > 8192 {
		return nil, refused
	}
	claims := jwt.MapClaims{}
	token, err := parser.ParseWithClaims(text, claims, key)
	if err != nil {
		return nil, err
	}
	// The library looks at neither.
	if _, critical := token.Header["crit"]; critical || token.Header["typ"] != "at+jwt" {
		return nil, refused
	}
	now := float64(time.Now().Unix())
	exp, ends := claims["exp"].(float64)
	nbf, begins := claims["nbf"].(float64)
	sub, _ := claims["sub"].(string)
	switch {
	case claims["iss"] != issuer, !isFor(claims["aud"]), sub == "", !ends, exp+leeway <= now:
		return nil, refused
	case claims["nbf"] != nil && (!begins || nbf > now+leeway):
		return nil, refused
	}
	return claims, nil
}

func isFor(aud any) bool {
	if all, ok := aud.([]any); ok {
		for _, one := range all {
			if one == audience {
				return true
			}
		}
		return false
	}
	return aud == audience
}

// The gateway's keys, fetched again when they are five minutes old, and for an unknown `kid` once a second at most.
var set struct {
	sync.Mutex
	keys map[string]*ecdsa.PublicKey
	at   time.Time
}

func key(token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	set.Lock()
	defer set.Unlock()
	age := time.Since(set.at)
	if age > 5*time.Minute || set.keys[kid] == nil && age > time.Second {
		set.at = time.Now()
		if keys, err := fetch(); err == nil {
			set.keys = keys
		}
	}
	if set.keys[kid] == nil {
		return nil, refused
	}
	return set.keys[kid], nil
}

func fetch() (map[string]*ecdsa.PublicKey, error) {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(os.Getenv("JWKS_URL"))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var found struct{ Keys []struct{ Kid, Crv, X, Y string } }
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<18)).Decode(&found); err != nil {
		return nil, err
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, one := range found.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(one.X)
		y, errY := base64.RawURLEncoding.DecodeString(one.Y)
		point := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if one.Crv == "P-256" && errX == nil && errY == nil && point.IsOnCurve(point.X, point.Y) {
			keys[one.Kid] = point
		}
	}
	return keys, nil
}

func main() {
	if issuer == "" {
		issuer = "https://gateway.internal"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		claims, err := userOf(request)
		if err != nil {
			response.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(response, claims["sub"])
	})))
}
