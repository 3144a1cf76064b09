//! The libzmq calls that the `zmq` crate does not offer, or in which it panics on an errno that it does not know.
//!
//! All `unsafe` of the program is in this file.
#![expect(unsafe_code, reason = "calls into libzmq, and a look behind it")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::Shutdown;
use zeroize::Zeroizing;
use zmq::Socket;

/// See linux/sockios.h.
const SIOCOUTQ: Opcode = 0x5411;

/// Where `tcpi_bytes_received` is in `struct tcp_info`, and what comes up to its end; see linux/tcp.h. It is there since
/// Linux 4.1.
const TCP_BYTES_RECEIVED_AT: usize = 128;
const TCP_INFO_BYTES: usize = TCP_BYTES_RECEIVED_AT + 8;

/// States of a connection, in the first byte of it; see linux/tcp_states.h.
const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE: u8 = 7;

/// Of a key in Z85.
const Z85_KEY_CHARACTERS: usize = 40;

/// From this size on, memory is given back when it is freed; see mallopt(3).
const LARGE_MEMORY_BYTES: c_int = 64 << 10;

/// Options without a setter in the `zmq` crate.
#[derive(Clone, Copy, Debug)]
pub enum RawOption {
    /// Block or fail instead of dropping when a subscriber is full (`ZMQ_XPUB_NODROP`).
    XpubNodrop = zmq_sys::ZMQ_XPUB_NODROP as isize,
    /// Report every subscription and its end, also repeated ones (`ZMQ_XPUB_VERBOSER`).
    XpubVerboser = zmq_sys::ZMQ_XPUB_VERBOSER as isize,
    /// Admit nobody where no ZAP handler decides (`ZMQ_ZAP_ENFORCE_DOMAIN`, zmq.h, which the crate does not name).
    ZapEnforceDomain = 93,
}

/// Switch an option on or off.
///
/// # Errors
/// libzmq's text for the cause.
pub fn set(socket: &mut Socket, option: RawOption, is_on: bool) -> Result<(), String> {
    set_raw(socket, option as c_int, c_int::from(is_on))
}

/// Options with a number and without a setter in the `zmq` crate.
#[derive(Clone, Copy, Debug)]
pub enum IntOption {
    /// How long data of a connection may stay unacknowledged (`ZMQ_TCP_MAXRT`), in milliseconds.
    TcpMaxRetransmitMs = zmq_sys::ZMQ_TCP_MAXRT as isize,
}

/// Set an option to a number.
///
/// # Errors
/// libzmq's text for the cause.
pub fn set_int(socket: &mut Socket, option: IntOption, value: c_int) -> Result<(), String> {
    set_raw(socket, option as c_int, value)
}

fn set_raw(socket: &mut Socket, option: c_int, value: c_int) -> Result<(), String> {
    // SAFETY: the socket lives as long as the borrow; the value is an int that outlives the call, with its own size.
    checked(|| unsafe {
        zmq_sys::zmq_setsockopt(socket.as_mut_ptr(), option, (&raw const value).cast::<c_void>(), size_of::<c_int>())
    })
    .map_err(text)
}

/// Bind the socket to an endpoint.
///
/// # Errors
/// libzmq's text for the cause.
pub fn bind(socket: &mut Socket, endpoint: &str) -> Result<(), String> {
    let endpoint = CString::new(endpoint).map_err(|cause| cause.to_string())?;
    // SAFETY: the socket lives as long as the borrow; the text is zero-terminated and outlives the call.
    checked(|| unsafe { zmq_sys::zmq_bind(socket.as_mut_ptr(), endpoint.as_ptr()) }).map_err(text)
}

/// Connect the socket to an endpoint, which libzmq does in the background.
///
/// # Errors
/// libzmq's text for the cause.
pub fn connect(socket: &mut Socket, endpoint: &str) -> Result<(), String> {
    let endpoint = CString::new(endpoint).map_err(|cause| cause.to_string())?;
    // SAFETY: the socket lives as long as the borrow; the text is zero-terminated and outlives the call.
    checked(|| unsafe { zmq_sys::zmq_connect(socket.as_mut_ptr(), endpoint.as_ptr()) }).map_err(text)
}

/// End the connection to an endpoint, and forget it.
///
/// # Errors
/// libzmq's text for the cause.
pub fn disconnect(socket: &mut Socket, endpoint: &str) -> Result<(), String> {
    let endpoint = CString::new(endpoint).map_err(|cause| cause.to_string())?;
    // SAFETY: the socket lives as long as the borrow; the text is zero-terminated and outlives the call.
    checked(|| unsafe { zmq_sys::zmq_disconnect(socket.as_mut_ptr(), endpoint.as_ptr()) }).map_err(text)
}

/// The descriptor that becomes readable when something new happens to the socket (`ZMQ_FD`).
///
/// # Errors
/// When libzmq does not give it.
pub fn fd(socket: &Socket) -> std::io::Result<BorrowedFd<'_>> {
    let fd = socket.get_fd().map_err(|cause| std::io::Error::other(cause.message().to_owned()))?;
    // SAFETY: the descriptor belongs to the socket and stays open as long as it, and so as long as the borrow.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// The descriptor of a connection, held open also when libzmq closes it; `None` when it has closed it already. libzmq may
/// have given the number to another connection meanwhile: look at its peer.
///
/// # Errors
///
/// This process may not open any more.
pub fn hold(number: c_int) -> Result<Option<OwnedFd>, Errno> {
    if number < 0 {
        return Ok(None);
    }
    // SAFETY: it is borrowed for this one call, which fails when nothing is open there.
    match rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(number) }, 0) {
        Err(Errno::BADF) => Ok(None),
        held => held.map(Some),
    }
}

/// End a connection that cannot be held, by its number.
pub fn turn_away(number: c_int) {
    if number >= 0 {
        // SAFETY: it is borrowed for this one call, which fails when nothing is open there.
        cut_off(unsafe { BorrowedFd::borrow_raw(number) });
    }
}

/// How many bytes a TCP connection has received so far; `None` for what is none.
pub fn bytes_received(fd: BorrowedFd<'_>) -> Option<u64> {
    let info = tcp_info(fd)?;
    info.get(TCP_BYTES_RECEIVED_AT..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// How many of them nobody has taken from the kernel yet.
pub fn bytes_waiting(fd: BorrowedFd<'_>) -> u64 {
    rustix::io::ioctl_fionread(fd).unwrap_or(0)
}

/// End a connection in both directions, and forget what came over it and is not read yet. libzmq notices, and its peer too.
pub fn cut_off(fd: BorrowedFd<'_>) {
    // Other connections than those of TCP can only be shut down; both fail when the peer has ended it already.
    if rustix::net::connect_unspec(fd).is_err() {
        let _ = rustix::net::shutdown(fd, Shutdown::Both);
    }
}

/// Give the memory of large frames back to the system as soon as they are let go. The allocator would keep what it once had of
/// them: of a hundred peers that were cut off, 90 MB.
pub fn give_back_large_memory() {
    // SAFETY: it only sets a number of the allocator. It fails for numbers above 32 MiB alone.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_MEMORY_BYTES) };
}

/// How much memory this process uses, in bytes. Of what it has allocated, a frame of which only the beginning came takes no
/// memory; and of what takes memory, some may be free again.
pub fn used_bytes() -> u64 {
    // SAFETY: it only reads the allocator's own figures, under its locks.
    let figures = unsafe { libc::mallinfo2() };
    let allocated_bytes = figures.uordblks as u64 + figures.hblkhd as u64;
    resident_bytes().map_or(allocated_bytes, |resident_bytes| allocated_bytes.min(resident_bytes))
}

/// How much of the memory of this process is there, without that of files; see proc_pid_status(5).
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// What the kernel knows of a TCP connection: the beginning of `struct tcp_info`.
fn tcp_info(fd: BorrowedFd<'_>) -> Option<[u8; TCP_INFO_BYTES]> {
    let mut info = [0_u8; TCP_INFO_BYTES];
    let mut length = TCP_INFO_BYTES as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the borrow; the kernel writes at most `length` bytes into `info`.
    let status = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
        )
    };
    (status == 0 && length as usize == TCP_INFO_BYTES).then_some(info)
}

/// How a TCP connection stands that was closed on our side but for what we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Its peer has not ended it: we did.
    Open,
    /// It is over on both sides, by a reset or by silence: not all that was sent has come.
    Broken,
    /// Its peer has ended it, so that all that it sent has come; or it is none of TCP.
    Ended,
}

/// How a connection stands.
pub fn stands(fd: BorrowedFd<'_>) -> Stands {
    match tcp_info(fd).as_ref().and_then(|info| info.first()) {
        Some(&TCP_ESTABLISHED) => Stands::Open,
        Some(&TCP_CLOSE) => Stands::Broken,
        _ => Stands::Ended,
    }
}

/// The connections of this process's ipc endpoints, kept open also when libzmq closes them.
pub fn ipc_connections() -> Vec<UnixStream> {
    let sockets = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().filter_map(|entry| {
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str().as_bytes().starts_with(b"socket:"));
        entry.file_name().to_str().filter(|_| is_socket)?.parse().ok()
    });
    let held = sockets.filter_map(|number| {
        // SAFETY: it is borrowed for this one call. When libzmq closes the descriptor meanwhile, the call fails, or takes
        // another socket, which is looked at below like any other.
        let fd = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned().ok()?;
        Some(UnixStream::from(fd))
    });
    // What a listener accepted has its name; everything else that we have is unnamed. A listener itself has no queue.
    let is_accepted = |stream: &UnixStream| stream.local_addr().is_ok_and(|name| !name.is_unnamed());
    held.filter(|stream| is_accepted(stream) && unread_bytes(stream).is_ok()).collect()
}

/// Memory that holds what the peer has not read, in bytes; see unix(7).
pub fn unread_bytes(stream: &UnixStream) -> std::io::Result<c_int> {
    // SAFETY: SIOCOUTQ stores one int.
    Ok(unsafe { ioctl(stream, Getter::<SIOCOUTQ, c_int>::new()) }?)
}

unsafe extern "C" {
    /// Since libzmq 4.2, and not among what `zmq-sys` declares.
    fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int;
}

/// The public key that belongs to a secret one, both in Z85.
pub fn curve_public(secret: &str) -> Option<String> {
    let secret =
        Zeroizing::new(CString::new(secret).ok().filter(|_| secret.len() == Z85_KEY_CHARACTERS)?.into_bytes_with_nul());
    let mut public = [0_u8; Z85_KEY_CHARACTERS + 1];
    // SAFETY: the text has 40 characters and its zero, and there is room for as many.
    checked(|| unsafe { zmq_curve_public(public.as_mut_ptr().cast(), secret.as_ptr().cast()) }).ok()?;
    CStr::from_bytes_until_nul(&public).ok()?.to_str().ok().map(str::to_owned)
}

/// Send one frame that libzmq reads where it is, and drops when no subscriber needs it any more. Says whether there was
/// room for it; otherwise it is dropped now.
///
/// # Errors
/// libzmq's text for the cause.
pub fn lend<T: AsRef<[u8]> + Send + 'static>(socket: &mut Socket, content: T, flags: c_int) -> Result<bool, String> {
    let content = Box::new(content);
    let (data, length_bytes) = ((*content).as_ref().as_ptr(), (*content).as_ref().len());
    let owner = Box::into_raw(content);
    let mut message = Aligned(zmq_sys::zmq_msg_t { __: [0; 64] });
    // SAFETY: the bytes are those of what `owner` points to, which stays where it is until `let_go` is called with it, once,
    // from whichever thread: it is `Send`. libzmq does not write them.
    let initialised = checked(|| unsafe {
        zmq_sys::zmq_msg_init_data(
            &raw mut message.0,
            data.cast_mut().cast::<c_void>(),
            length_bytes,
            Some(let_go::<T>),
            owner.cast::<c_void>(),
        )
    });
    if let Err(errno) = initialised {
        // SAFETY: it was not taken over.
        drop(unsafe { Box::from_raw(owner) });
        return Err(text(errno));
    }
    // SAFETY: the message was initialised, the socket lives as long as the borrow. It gives the number of bytes.
    let sent = checked(|| unsafe { zmq_sys::zmq_msg_send(&raw mut message.0, socket.as_mut_ptr(), flags) }.min(0));
    if sent.is_err() {
        // SAFETY: what was not sent is still ours, and closed once, here. That cannot fail for a valid message.
        unsafe { zmq_sys::zmq_msg_close(&raw mut message.0) };
    }
    match sent {
        Ok(()) => Ok(true),
        Err(errno) if errno == Errno::AGAIN.raw_os_error() => Ok(false),
        Err(errno) => Err(text(errno)),
    }
}

/// A message as C aligns it: it holds pointers.
#[repr(C, align(8))]
struct Aligned(zmq_sys::zmq_msg_t);

/// What libzmq calls when it needs a message no more.
extern "C" fn let_go<T>(_data: *mut c_void, owner: *mut c_void) {
    // SAFETY: `lend` made it with `Box::into_raw`, as a `T`, and libzmq calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<T>()) });
}

/// Call until no signal interrupts it: libzmq looks for one before it begins. An error is the number of its cause.
fn checked(mut call: impl FnMut() -> c_int) -> Result<(), c_int> {
    loop {
        if call() == 0 {
            return Ok(());
        }
        // SAFETY: it only reads the number of the calling thread's last error.
        let errno = unsafe { zmq_sys::zmq_errno() };
        if errno != Errno::INTR.raw_os_error() {
            return Err(errno);
        }
    }
}

/// libzmq's text for the number of an error.
fn text(errno: c_int) -> String {
    // SAFETY: zmq_strerror returns a zero-terminated text for any number; it is copied before another call could replace it.
    unsafe { CStr::from_ptr(zmq_sys::zmq_strerror(errno)) }.to_string_lossy().into_owned()
}
