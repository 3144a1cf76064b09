# Tries what the sandbox of the units forbids, and says of each thing whether it was allowed. It runs inside the very unit.
# usage: probe.pl DIRECTORY_THAT_MAY_BE_WRITTEN
use strict;
use warnings;
use Fcntl;
use POSIX ();
use Socket;

my ($own) = @ARGV;

# What perl has no word for: on x86-64, and on aarch64.
my $machine = (POSIX::uname())[4] eq 'aarch64' ? 1 : 0;
my %call = (
    mmap      => [9,   222],
    personality => [135, 92],
    ptrace    => [101, 117],
    realtime  => [144, 119],
    hostname  => [170, 161],
    unshare   => [272, 97],
);

sub kernel { my ($name, @arguments) = @_; return syscall($call{$name}[$machine], @arguments) != -1 }

# In a child, because some things change the process that does them.
sub try {
    my ($name, $do) = @_;
    pipe(my $in, my $out);
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        $! = 0;
        my $allowed = $do->();
        syswrite $out, $allowed ? "allowed $name\n" : "refused $name: $!\n";
        POSIX::_exit(0);
    }
    close $out;
    my $said = readline($in) // "refused $name: the process was killed\n";
    waitpid $pid, 0;
    print $said;
}

sub writes { my ($path) = @_; return sysopen(my $file, $path, O_WRONLY | O_CREAT, 0666) }
sub reads  { my ($path) = @_; return open(my $file, '<', $path) }
sub runs   { my (@command) = @_; return system({ $command[0] } @command) == 0 }

sub capabilities {
    open my $status, '<', '/proc/self/status' or return 0;
    return grep { /^Cap(?:Bnd|Eff|Amb):\s*0*[1-9a-f]/ } readline $status;
}

sub copy_of_this_program {
    my ($copy) = @_;
    open my $from, '<:raw', $^X or return;
    open my $to, '>:raw', $copy or return;
    local $/;
    print {$to} readline $from;
    close $to;
    chmod 0755, $copy;
    return $copy;
}

sub reaches {
    my ($address) = @_;
    socket(my $socket, AF_INET, SOCK_DGRAM, 0) or return 0;
    return send($socket, 'x', 0, pack_sockaddr_in(9, inet_aton($address)));
}

$| = 1;
# Each place could be used by anybody if it were not for the sandbox: the test made them so.
for my $place ('/etc', '/opt', '/run', '/run/lock', '/srv', '/usr/share', '/var/cache', '/var/lib') {
    try "write to $place",         sub { writes("$place/probe/file") };
}
try 'read /home',                  sub { reads('/home/probe/file') };
try 'read /root',                  sub { reads('/root/probe/file') };
try 'read another\'s /tmp',        sub { reads('/tmp/probe/file') };
try 'read a device',               sub { reads('/dev/probe') };
try 'see another process',         sub { reads('/proc/1/status') };
try 'open a raw socket',           sub { socket(my $socket, AF_INET, SOCK_RAW, 1) };
try 'open a packet socket',        sub { socket(my $socket, 17, SOCK_DGRAM, 0) };
try 'hold a capability',           sub { capabilities() };
try 'run a shell',                 sub { runs('/usr/bin/dash', '-c', 'exit 0') };
for my $place ($own, '/dev/shm', '/run/fancyhwd', '/tmp', '/var/tmp') {
    try "run a file in $place",    sub { runs(copy_of_this_program("$place/probe-program"), '-e', 'exit 0') };
}
try 'make a file for all to read', sub { writes("$own/probe-mode") && ((stat "$own/probe-mode")[2] & 07) };
try 'make a setuid file',          sub { writes("$own/probe-setuid") && chmod 04755, "$own/probe-setuid" };
try 'map memory to write and run', sub { kernel('mmap', 0, 4096, 7, 0x22, -1, 0) };
try 'make a namespace',            sub { kernel('unshare', 0x10000000) };
try 'run in real time',            sub { kernel('realtime', 0, 1, pack('i', 1)) };
try 'change the personality',      sub { kernel('personality', 0x0040000) };
try 'set the host name',           sub { kernel('hostname', 'probe', 5) };
try 'trace a process',             sub { kernel('ptrace', 0, 0, 0, 0) };
try 'change its priority',         sub { setpriority(0, 0, 5) };
try 'reach another machine',       sub { reaches('192.0.2.1') };
try 'reach this machine',          sub { reaches('127.0.0.1') };
try 'write captures',              sub { writes("$own/probe-capture") };
unlink glob("$own/probe-*"), '/run/fancyhwd/probe-program';
