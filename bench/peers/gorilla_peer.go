// Go's gorilla/websocket; ../servers.py says how it is called. A goroutine reads and
// writes a connection; its heartbeat is one more, with a ticker.
package main

import (
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

var (
	upgrader = websocket.Upgrader{}
	lock     sync.Mutex
	everyone = map[*websocket.Conn]bool{}
	mode     string
	period   time.Duration
)

func sayToAll(kind int, data []byte) {
	message, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		return
	}
	lock.Lock()
	defer lock.Unlock()
	for ws := range everyone {
		ws.WritePreparedMessage(message)
	}
}

func beat(ws *websocket.Conn, done <-chan struct{}) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(period))
		}
	}
}

func accept(response http.ResponseWriter, request *http.Request) {
	ws, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	switch mode {
	case "all":
		lock.Lock()
		everyone[ws] = true
		lock.Unlock()
		defer func() {
			lock.Lock()
			delete(everyone, ws)
			lock.Unlock()
		}()
	case "beat":
		done := make(chan struct{})
		defer close(done)
		go beat(ws, done)
	}
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if mode == "all" {
			sayToAll(kind, data)
		} else if ws.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func main() {
	mode = os.Args[2]
	ms, _ := strconv.Atoi(os.Args[3])
	period = time.Duration(ms) * time.Millisecond
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	handler := http.HandlerFunc(accept)
	if len(os.Args) > 5 {
		panic(http.ServeTLS(listener, handler, os.Args[4], os.Args[5]))
	}
	panic(http.Serve(listener, handler))
}
