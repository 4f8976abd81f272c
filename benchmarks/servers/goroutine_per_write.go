// goroutine_per_write: the design of "How to write a TCP chat server in 55 lines of Golang" (news.ycombinator.com/item?id=26597761).
// Every read is a fragment, and every fragment is written to every connection, the sender's too, by a new goroutine: nothing
// keeps two fragments in order, or apart.
package main

import (
	"net"
	"os"
)

func main() {
	newConns := make(chan net.Conn, 128)
	deadConns := make(chan net.Conn, 128)
	publishes := make(chan []byte, 128)
	conns := make(map[net.Conn]bool)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			newConns <- conn
		}
	}()
	for {
		select {
		case conn := <-newConns:
			conns[conn] = true
			go read(conn, publishes, deadConns)
		case conn := <-deadConns:
			conn.Close()
			delete(conns, conn)
		case fragment := <-publishes:
			for conn := range conns {
				go write(conn, fragment, deadConns)
			}
		}
	}
}

func read(conn net.Conn, publishes chan<- []byte, deadConns chan<- net.Conn) {
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			deadConns <- conn
			return
		}
		fragment := make([]byte, n)
		copy(fragment, buf[:n])
		publishes <- fragment
	}
}

func write(conn net.Conn, fragment []byte, deadConns chan<- net.Conn) {
	if _, err := conn.Write(fragment); err != nil {
		deadConns <- conn
	}
}
