// What RoadRunner's TCP plugin does with a message, and no more: a stand-in for it where the plugin cannot be built.
//
//	rr_host PORT WORKERS COMMAND...
//
// As in the plugin (tcp v5.1.9, pool v1.1.3, goridge v3.8.3, read for this): a goroutine per connection reads once, takes a
// worker from a channel, packs a frame with the JSON context in front, writes it to a pipe, and waits for another
// goroutine that reads the answer: header first, then the rest. It has none of the plugin's metrics, states and
// supervision, so it is faster than the real thing; and the delimiter is not looked for, since the load
// generator sends one message at a time.
package main

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strconv"
)

type worker struct {
	in  io.Writer
	out io.Reader
}

type frame struct {
	flags   byte
	options []uint32
	payload []byte
}

type context struct {
	RemoteAddr string `json:"remote_addr"`
	Server     string `json:"server"`
	UUID       string `json:"uuid"`
	Event      string `json:"event"`
}

func (w *worker) send(flags byte, options []uint32, payload []byte) {
	data := make([]byte, 12+4*len(options), 12+4*len(options)+len(payload))
	data[0] = 0x10 | byte(3+len(options))
	data[1] = flags
	binary.LittleEndian.PutUint32(data[2:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(data[6:], crc32.ChecksumIEEE(data[:6]))
	for i, option := range options {
		binary.LittleEndian.PutUint32(data[12+4*i:], option)
	}
	if _, err := w.in.Write(append(data, payload...)); err != nil {
		log.Fatal(err)
	}
}

func (w *worker) receive() frame {
	header := make([]byte, 12)
	if _, err := io.ReadFull(w.out, header); err != nil {
		log.Fatal(err)
	}
	if crc32.ChecksumIEEE(header[:6]) != binary.LittleEndian.Uint32(header[6:]) {
		log.Fatal("wrong CRC")
	}
	rest := make([]byte, 4*(int(header[0]&15)-3)+int(binary.LittleEndian.Uint32(header[2:])))
	if _, err := io.ReadFull(w.out, rest); err != nil {
		log.Fatal(err)
	}
	answer := frame{flags: header[1]}
	for i := 3; i < int(header[0]&15); i++ {
		answer.options = append(answer.options, binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
	}
	answer.payload = rest
	return answer
}

func exec1(workers chan *worker, ctx context, body []byte) (string, []byte) {
	head, err := json.Marshal(ctx)
	if err != nil {
		log.Fatal(err)
	}
	w := <-workers
	answers := make(chan frame, 1)
	go func() { // the pool's own goroutine for each event, which is what a time limit needs
		w.send(0, []uint32{uint32(len(head))}, append(head, body...))
		answers <- w.receive()
	}()
	answer := <-answers
	workers <- w
	return string(answer.payload[:answer.options[0]]), answer.payload[answer.options[0]:]
}

func serve(conn net.Conn, workers chan *worker, number int) {
	defer conn.Close()
	ctx := context{conn.RemoteAddr().String(), "server1", "6b1f5b1e-0000-4000-8000-" + strconv.Itoa(100000000000+number), "CONNECTED"}
	buffer := make([]byte, 1024*1024)
	body := []byte{}
	for {
		verdict, answer := exec1(workers, ctx, body)
		if verdict == "WRITE" || verdict == "WRITECLOSE" {
			if _, err := conn.Write(answer); err != nil {
				break
			}
		}
		if verdict != "WRITE" && verdict != "CONTINUE" {
			break
		}
		n, err := conn.Read(buffer)
		if err != nil {
			break
		}
		ctx.Event = "DATA"
		body = buffer[:n]
	}
	ctx.Event = "CLOSE"
	exec1(workers, ctx, nil)
}

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	workers := make(chan *worker, count)
	for i := 0; i < count; i++ {
		command := exec.Command(os.Args[3], os.Args[4:]...)
		command.Env = append(os.Environ(), "RR_RELAY=pipes", "RR_MODE=tcp", "RR_VERSION=stand-in")
		command.Stderr = os.Stderr
		in, _ := command.StdinPipe()
		out, _ := command.StdoutPipe()
		if err := command.Start(); err != nil {
			log.Fatal(err)
		}
		w := &worker{in, out}
		w.send(9, nil, []byte(`{"pid":`+strconv.Itoa(os.Getpid())+`}`))
		w.receive()
		workers <- w
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for number := 0; ; number++ {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn, workers, number)
	}
}
