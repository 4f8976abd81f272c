<?php
// A worker as RoadRunner's PHP library is one: how it reads, writes, answers control frames and says farewell.
// The library itself is not needed, PHP is.

$relay = getenv('RR_RELAY') ?: 'pipes';
if (str_starts_with($relay, 'unix://')) {
    $in = $out = stream_socket_client($relay);
} else {
    [$in, $out] = [fopen('php://stdin', 'rb'), fopen('php://stdout', 'wb')];
}

function write($out, string $payload, array $options = [], int $flags = 0): void
{
    $head = pack('CCV', 0x10 | (3 + count($options)), $flags, strlen($payload));
    $frame = $head . pack('VCC', crc32($head), 0, 0) . pack('V*', ...$options ?: []) . $payload;
    fwrite($out, $options ? $frame : $head . pack('VCC', crc32($head), 0, 0) . $payload);
}

function read($in): array
{
    $header = fread($in, 12);
    if ($header === false || strlen($header) !== 12) {
        fwrite(STDERR, "Incorrect header size\n");
        exit(255);
    }
    ['first' => $first, 'flags' => $flags, 'length' => $length] = unpack('Cfirst/Cflags/Vlength', $header);
    $size = (($first & 0x0F) - 3) * 4;
    $options = $size ? array_values(unpack('V*', fread($in, $size))) : [];
    $payload = '';
    while (strlen($payload) < $length) {
        $payload .= fread($in, $length - strlen($payload));
    }
    return [$flags, $options, $payload];
}

function respond($out, string $verdict, string $body = ''): void
{
    write($out, $verdict . $body, [strlen($verdict)]);
}

while (true) {
    [$flags, $options, $payload] = read($in);
    if ($flags & 1) {
        $control = json_decode($payload, true);
        if (!empty($control['stop'])) {
            respond($out, 'CLOSE'); // the library's farewell
            exit(0);
        }
        write($out, json_encode(['pid' => getmypid()]), [], 1);
        continue;
    }
    $context = json_decode(substr($payload, 0, $options[0]), true);
    $body = substr($payload, $options[0]);
    if ($context['event'] === 'CONNECTED') {
        respond($out, 'WRITE', "220 hi\r\n");
    } elseif ($context['event'] === 'DATA') {
        if ($body === "twice\r\n") { // as the documented example does, with read() and then respond()
            respond($out, 'WRITE', "first\r\n");
            respond($out, 'WRITE', "leak\r\n");
        } else {
            respond($out, $body === "bye\r\n" ? 'WRITECLOSE' : 'WRITE', $body);
        }
    }
    // CLOSE: "You don't need to send a response on a closed connection", says the documentation.
}
