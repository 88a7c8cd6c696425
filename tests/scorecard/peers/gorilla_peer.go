// Go's gorilla/websocket with the heartbeat of its chat example, at both ends; ../peers.py
// says how it is called. A ping leaves every pingPeriod, which is nine tenths of pongWait;
// the read deadline is pongWait from the last pong.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/gorilla/websocket"
)

const writeWait = 10 * time.Second // the example's, too

var (
	printing             sync.Mutex
	pingPeriod, pongWait time.Duration
	upgrader             = websocket.Upgrader{}
)

func monotonicMicroseconds() int64 {
	var now syscall.Timespec
	const clockMonotonic = 1
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano() / 1000
}

func tell(event string, fields ...interface{}) {
	line := url.Values{"event": {event}, "at": {fmt.Sprint(monotonicMicroseconds())}}
	for i := 0; i < len(fields); i += 2 {
		line.Set(fields[i].(string), fmt.Sprint(fields[i+1]))
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(line.Encode())
}

// The example's readPump. Messages go to the one goroutine that may write.
func readPump(ws *websocket.Conn, name string, messages chan<- []byte, echo bool) {
	ws.SetReadDeadline(time.Now().Add(pongWait))
	ws.SetPongHandler(func(string) error {
		ws.SetReadDeadline(time.Now().Add(pongWait))
		return nil
	})
	for {
		_, message, err := ws.ReadMessage()
		if err != nil {
			tell("dead", "name", name, "text", err)
			ws.Close()
			close(messages)
			return
		}
		if echo {
			messages <- message
		}
	}
}

// The example's writePump.
func writePump(ws *websocket.Conn, messages <-chan []byte, talk time.Duration) {
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	defer ws.Close()
	var talking <-chan time.Time
	if talk > 0 {
		talker := time.NewTicker(talk)
		defer talker.Stop()
		talking = talker.C
	}
	for {
		kind, message := websocket.PingMessage, []byte(nil)
		open := true
		select {
		case message, open = <-messages:
			kind = websocket.TextMessage
		case <-talking:
			kind, message = websocket.TextMessage, []byte("so it goes")
		case <-ticker.C:
		}
		ws.SetWriteDeadline(time.Now().Add(writeWait))
		if !open || ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func accept(response http.ResponseWriter, request *http.Request) {
	ws, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	name := request.URL.Path[1:]
	tell("open", "name", name, "port", ws.RemoteAddr().(*net.TCPAddr).Port)
	messages := make(chan []byte, 256)
	go writePump(ws, messages, 0)
	go readPump(ws, name, messages, true)
}

func connect(where, name string, talk time.Duration) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+where+"/"+name, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	tell("open", "name", name)
	messages := make(chan []byte)
	go writePump(ws, messages, talk)
	readPump(ws, name, messages, false)
}

func main() {
	role, where := os.Args[1], os.Args[2]+":"+os.Args[3]
	var numbers [5]int // interval, first, count, over, talk
	for i, word := range os.Args[4:] {
		numbers[i], _ = strconv.Atoi(word)
	}
	pingPeriod = time.Duration(numbers[0]) * time.Millisecond
	pongWait = pingPeriod * 10 / 9
	if role == "server" {
		listener, err := net.Listen("tcp4", where)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		tell("ready")
		http.Serve(listener, http.HandlerFunc(accept))
	}
	first, count, over := numbers[1], numbers[2], numbers[3]
	for i := 0; i < count; i++ {
		name := strings.TrimSpace(strconv.Itoa(first + i))
		after := time.Duration(over) * time.Millisecond * time.Duration(i) / time.Duration(count)
		time.AfterFunc(after, func() {
			connect(where, name, time.Duration(numbers[4])*time.Millisecond)
		})
	}
	select {}
}
