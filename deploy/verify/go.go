// Go with golang-jwt and keyfunc: go get github.com/golang-jwt/jwt/v5 github.com/MicahParks/keyfunc/v3
package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

var parser = jwt.NewParser(
	jwt.WithValidMethods([]string{"ES256"}),
	jwt.WithIssuer("https://gateway.internal"),
	jwt.WithAudience("orders"),
	jwt.WithExpirationRequired(),
	jwt.WithLeeway(5*time.Second),
)

// userOf gives the claims of whoever asks; an error: answer 401.
func userOf(request *http.Request, keys keyfunc.Keyfunc) (jwt.MapClaims, error) {
	scheme, text, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || len(text) > 8192 {
		return nil, errors.New("no token")
	}
	claims := jwt.MapClaims{}
	token, err := parser.ParseWithClaims(text, claims, keys.Keyfunc)
	if err != nil {
		return nil, err
	}
	// The library looks at neither.
	if _, critical := token.Header["crit"]; critical || token.Header["typ"] != "at+jwt" {
		return nil, errors.New("another kind of token")
	}
	if subject, err := claims.GetSubject(); err != nil || subject == "" {
		return nil, errors.New("nobody's token")
	}
	return claims, nil
}

func main() {
	keys, err := keyfunc.NewDefault([]string{os.Getenv("JWKS_URL")})
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		claims, err := userOf(request, keys)
		if err != nil {
			response.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		subject, _ := claims.GetSubject()
		_, _ = response.Write([]byte(subject + "\n"))
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
