// Go's gorilla/websocket, driven by lines on stdin; ../children.py says which.
// It compresses without context takeover only.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	messageBytes = 16 << 20
	// A message is cut into frames wherever this is full: the only say that one has.
	frameBytes = 512
	patience   = 10 * time.Second
)

var (
	printing sync.Mutex
	attended sync.Mutex
	newest   *websocket.Conn
	count    int
)

func tell(event string, fields ...interface{}) {
	line := url.Values{"event": {event}}
	for i := 0; i < len(fields); i += 2 {
		line.Set(fields[i].(string), fmt.Sprint(fields[i+1]))
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(line.Encode())
}

func attend(ws *websocket.Conn, echo bool, about ...interface{}) {
	attended.Lock()
	count++
	conn := count
	newest = ws
	attended.Unlock()

	ws.SetReadLimit(messageBytes)
	ws.SetPingHandler(func(payload string) error {
		tell("ping", "conn", conn, "payload", hex.EncodeToString([]byte(payload)))
		err := ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil // as its own handler does: a ping may cross our close frame
		}
		return err
	})
	ws.SetPongHandler(func(payload string) error {
		tell("pong", "conn", conn, "payload", hex.EncodeToString([]byte(payload)))
		return nil
	})
	tell("open", append(about, "conn", conn, "subprotocol", ws.Subprotocol())...)
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			end := &websocket.CloseError{Code: websocket.CloseAbnormalClosure}
			if !errors.As(err, &end) {
				tell("problem", "conn", conn, "text", err)
			}
			tell("close", "conn", conn, "code", end.Code, "reason", reasonOf(end))
			ws.Close()
			return
		}
		name := map[int]string{websocket.TextMessage: "text", websocket.BinaryMessage: "binary"}[kind]
		digest := sha256.Sum256(data)
		tell("message", "conn", conn, "kind", name, "size", len(data),
			"sha256", hex.EncodeToString(digest[:]))
		if echo {
			if err := ws.WriteMessage(kind, data); err != nil {
				tell("problem", "conn", conn, "text", err)
			}
		}
	}
}

// An end without a close frame is told with a text of Go's.
func reasonOf(end *websocket.CloseError) string {
	if end.Code == websocket.CloseAbnormalClosure {
		return ""
	}
	return end.Text
}

func listen(command url.Values) error {
	upgrader := websocket.Upgrader{
		Subprotocols:      []string{command.Get("subprotocol")},
		EnableCompression: command.Has("deflate"),
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+command.Get("port"))
	if err != nil {
		return err
	}
	tell("listening")
	if command.Has("cert") {
		pair, err := tls.LoadX509KeyPair(command.Get("cert"), command.Get("key"))
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	handler := func(response http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/refuse" {
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		ws, err := upgrader.Upgrade(response, request, nil)
		if err != nil {
			tell("problem", "text", err)
			return
		}
		attend(ws, request.URL.Path == "/echo", "header", request.Header.Get("X-Interop"),
			"offered", request.Header.Get("Sec-WebSocket-Extensions"))
	}
	go http.Serve(listener, http.HandlerFunc(handler))
	return nil
}

func connect(command url.Values) error {
	dialer := websocket.Dialer{
		WriteBufferSize:   frameBytes,
		EnableCompression: command.Has("deflate"),
		HandshakeTimeout:  patience,
	}
	if command.Has("subprotocols") {
		dialer.Subprotocols = strings.Split(command.Get("subprotocols"), ",")
	}
	if command.Has("ca") {
		text, err := os.ReadFile(command.Get("ca"))
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		dialer.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	header := http.Header{}
	if command.Has("header") {
		header.Set("X-Interop", command.Get("header"))
	}
	ws, response, err := dialer.Dial(command.Get("url"), header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		tell("refused", "status", response.StatusCode)
		return nil
	}
	if err != nil {
		return err
	}
	go attend(ws, false, "extensions", response.Header.Get("Sec-WebSocket-Extensions"))
	return nil
}

func send(ws *websocket.Conn, command url.Values) error {
	kind := websocket.TextMessage
	if command.Get("kind") == "binary" {
		kind = websocket.BinaryMessage
	}
	rest, err := os.ReadFile(command.Get("file"))
	if err != nil {
		return err
	}
	writer, err := ws.NextWriter(kind)
	if err != nil {
		return err
	}
	for _, text := range strings.Split(command.Get("fragments"), ",") {
		size, _ := strconv.Atoi(text) // 0 if there are none
		if _, err := writer.Write(rest[:size]); err != nil {
			return err
		}
		rest = rest[size:]
		if command.Has("ping") {
			if err := control(ws, websocket.PingMessage, command.Get("ping")); err != nil {
				return err
			}
		}
	}
	if _, err := writer.Write(rest); err != nil {
		return err
	}
	return writer.Close()
}

func control(ws *websocket.Conn, kind int, payload string) error {
	data, err := hex.DecodeString(payload)
	if err != nil {
		return err
	}
	return ws.WriteControl(kind, data, time.Now().Add(patience))
}

func obey(command url.Values) error {
	switch command.Get("do") {
	case "listen":
		return listen(command)
	case "connect":
		return connect(command)
	}
	attended.Lock()
	ws := newest
	attended.Unlock()
	switch command.Get("do") {
	case "send":
		return send(ws, command)
	case "ping":
		return control(ws, websocket.PingMessage, command.Get("payload"))
	case "pong":
		return control(ws, websocket.PongMessage, command.Get("payload"))
	case "close":
		code, err := strconv.Atoi(command.Get("code"))
		if err != nil {
			code = websocket.CloseNoStatusReceived // which is sent as no code at all
		}
		return ws.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(code, command.Get("reason")), time.Now().Add(patience))
	}
	return fmt.Errorf("there is no %q", command.Get("do"))
}

func main() {
	tell("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		command, err := url.ParseQuery(lines.Text())
		if err == nil {
			err = obey(command)
		}
		if err != nil {
			tell("problem", "text", err)
		}
	}
}
