// hub: the chat server a Go programmer would write. One goroutine owns the set of clients; every client has a channel and
// a goroutine that writes what comes out of it, through a bufio.Writer that is flushed when the channel is empty.
// A sender does not get its own lines. The publishing loop waits for a client whose channel is full, as the idiom does.
package main

import (
	"bufio"
	"log"
	"net"
	"os"
)

const backlog = 256 // lines in a client's channel

type client struct {
	conn  net.Conn
	lines chan []byte
}

type message struct {
	from *client
	line []byte
}

var (
	joining    = make(chan *client)
	leaving    = make(chan *client)
	publishing = make(chan message, backlog)
)

func hub() {
	clients := map[*client]bool{}
	for {
		select {
		case c := <-joining:
			clients[c] = true
		case c := <-leaving:
			if clients[c] {
				delete(clients, c)
				close(c.lines)
			}
		case m := <-publishing:
			for c := range clients {
				if c != m.from {
					c.lines <- m.line
				}
			}
		}
	}
}

func (c *client) write() {
	defer c.conn.Close()
	w := bufio.NewWriter(c.conn)
	for line := range c.lines {
		w.Write(line)
		for n := len(c.lines); n > 0; n-- {
			w.Write(<-c.lines)
		}
		if w.Flush() != nil {
			for range c.lines { // until the hub has been told
			}
			return
		}
	}
}

func (c *client) read() {
	r := bufio.NewReader(c.conn)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			leaving <- c
			return
		}
		publishing <- message{c, line}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	go hub()
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		c := &client{conn, make(chan []byte, backlog)}
		conn.Write([]byte("* hi\n"))
		joining <- c
		go c.write()
		go c.read()
	}
}
