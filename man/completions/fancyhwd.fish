# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fancyhwd_global_optspecs
    string join \n v/verbose q/quiet h/help V/version
end

function __fish_fancyhwd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fancyhwd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fancyhwd_using_subcommand
    set -l cmd (__fish_fancyhwd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -s V -l version -d 'Print version'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "publish" -d 'Run a simulated device, or pass a stream of samples on'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "record" -d 'Record a device into an SQLite database'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "replay" -d 'Send a capture out again with the original timing'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "session" -d 'List, show, verify, compare, describe, export, label and delete what was captured'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "serve" -d 'Show what was captured as web pages, with a live view, metrics and a health check'
complete -c fancyhwd -n "__fish_fancyhwd_needs_command" -f -a "keygen" -d 'Make a pair of keys, for encrypted connections between those who are admitted'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l bind -d 'Endpoint to bind, tcp://HOST:PORT or ipc://PATH; `tcp://*:5555` serves every interface. May be given several times [default: tcp://127.0.0.1:5555, unless there is a --connect]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l connect -d 'Endpoint to connect to, of a collector that binds. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l socket -d 'The kind of socket: `pub` sends to all who subscribe, `push` to one of those who pull, and waits while there is nobody' -r -f -a "pub\t'It sends each message to all who subscribe to it'
push\t'It sends each message to one of the pulling peers, and waits while there is none'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l wait-subscribers -d 'Send the first packet only when so many subscribers are there' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l on-full -d 'What to do when a subscriber reads too slowly' -r -f -a "drop\t'Leave the newest messages out, and count them'
block\t'Wait until there is room; a device that can wait then does'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l key -d 'Secret certificate of this side, NAME.key_secret as `fancyhwd keygen` makes it. What binds is then open to those alone whom --allow or --allow-any admits' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l server-key -d 'Public certificate of the peer at each --connect, or at the one of number N: it is talked to encrypted, and nobody else can stand in for it. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l allow -d 'Directory with the public certificates of those who may connect to a --bind. It is read again when something in it changes' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l topic -d 'Topic of every packet: 1 to 255 bytes' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l framing -d 'Where the topic is' -r -f -a "space\t'Before the first space of the only frame'
frames\t'It is the first frame'
whole\t'Nowhere: there is none'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l layout -d 'What a record is: types such as int16, float32x8 or int24-be,pad [default: int16, or the samples of a sound file]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l device -d 'What to publish: `simulated`, raw numbers from `stream:PATH` or `stream:-` (standard input), or the samples of a sound file, `wav:PATH`' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l seed -d 'Seed of the simulated device, as for srand()' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l packet-size -d 'Records in a packet: 1 to 65536' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l counter -d 'Count the packets from 0 by a number of this type before the records, such as uint32' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l interval -d 'Time between two packets, such as 250ms, 1s or 1m30s [default: 1s, or that of the samples of a sound file]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l rate -d 'Packets per second instead of an interval; `max` sends without a pause' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l count -d 'Stop after so many packets' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l allow-any -d 'Let everybody connect to a --bind who has a key, whichever it is, and knows ours'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -l catch-up -d 'After a stop (Ctrl-Z, SIGSTOP), send at once what was due meanwhile, instead of going on from there'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand publish" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l connect -d 'Endpoint of a device, tcp://HOST:PORT or ipc://PATH. May be given several times [default: tcp://127.0.0.1:5555, unless there is a --bind]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l bind -d 'Endpoint to bind, for devices that connect to their collector. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l key -d 'Secret certificate of this side, NAME.key_secret as `fancyhwd keygen` makes it. What binds is then open to those alone whom --allow or --allow-any admits' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l server-key -d 'Public certificate of the peer at each --connect, or at the one of number N: it is talked to encrypted, and nobody else can stand in for it. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l allow -d 'Directory with the public certificates of those who may connect to a --bind. It is read again when something in it changes' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l socket -d 'The kind of socket: `pull` takes its share of what pushing peers send, and has no topics to ask for' -r -f -a "sub\t'It subscribes to topics of publishers'
pull\t'It takes its share of what pushing peers send'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l topic -d 'Topic to record, exactly; `NAME*` records all that begin so, `*` everything. May be given several times [default: fancyhw_data; with `--socket pull` everything]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l framing -d 'Where the topic is in a message' -r -f -a "auto\t'Where each message looks as if it had one; a device without topics cannot invent many'
space\t'Before the first space of the only frame'
frames\t'It is the first frame'
whole\t'Nowhere: there is none'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l layout -d 'How the bytes behind the topic are read, such as int16, float32x8 or uint32,uint64/int16x8; for one topic with NAME=, for messages without a topic with =. May be given several times [default: what the first message looks like]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l channels -d 'Names, units and scales of the numbers of a layout: NAME:UNIT:SCALE:OFFSET,..., of which all but the names may be missing May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l sample-rate -d 'Records that follow each other in a second within a message. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l counter -d 'The device\'s own sequence number, of which each gap is told with how many messages were lost: TYPE@OFFSET behind the topic, TYPE@PART:OFFSET or json:FIELD, with /STEP where it counts in steps. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l archive -d 'Archive to send to what is recorded, such as nats://nas1,nas2,nas3, or tls:// with encryption. It is stored here first, and as long as the archive cannot be reached' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l recorder -d 'Name of this recorder in the archive [default: HOST-DATABASE]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l archive-replicas -d 'On how many servers the archive keeps each message, where its stream is made [default: 3]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l archive-rate -d 'The most that is sent to the archive in a second, such as 10MB' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l label -d 'Name of the session, not digits alone, which are an id' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l note -d 'Remark about the session' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l count -d 'Stop after so many messages' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l duration -d 'Stop after this time, such as 90s or 1h30m' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l split-every -d 'Begin a new session after this time or size, such as 1h or 2GB, without losing a message. SIGHUP does so at once' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l trigger -d 'Keep only what comes around the places where this holds: comparisons [TOPIC.]CHANNEL OP NUMBER, such as \'ch3 > 1200 and ch4 != 0\', joined by `and`, `or` and brackets; or alone \'gap > 500ms\', or \'text ~ REGEX\'. The ledger says how much was not kept' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l before -d 'So much before each place is kept. It waits in memory, as much of it as --queue says' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l after -d 'So much after each place is kept' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l max-use -d 'The most that the database may take, such as 20GB: the oldest finished sessions are deleted' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l keep-free -d 'What must stay free on the disk, such as 1GB: the oldest finished sessions are deleted' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l durability -d 'What a commit survives' -r -f -a "full\t'Also a power cut: each commit waits until the disk has it'
normal\t'A crash of the program; a power cut takes five seconds at most'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l commit-every -d 'The longest time until a message is on its way to the disk' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l queue -d 'Memory for messages that wait for the disk, such as 64MiB or 2GB' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l max-message -d 'The largest message that is received, such as 64KiB, up to 900MB, each frame counting 12 bytes more; a larger frame breaks the link, which is mended' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l heartbeat -d 'Ask peers so often whether they are still there, in the way of ZMTP 3.1, or `off`; peers that do not know it break the link' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l silence -d 'Say when nothing came from a device for so long, in the log, the ledger and the status, or `off`. A link over which nothing came for 10 s after it went up is told of in any case' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l on-full -d 'What to do when that memory is full: `block` takes nothing then, and peers over TCP wait as soon as libzmq holds as much' -r -f -a "drop\t'Leave the newest messages out, and count them'
block\t'Wait until there is room; a device that can wait then does'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l allow-any -d 'Let everybody connect to a --bind who has a key, whichever it is, and knows ours'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l dry-run -d 'Store nothing: say after --duration (5s unless said) who answers, which streams come, and how they can be recorded. Every topic is asked for, unless --topic is given. With `--socket pull` it takes messages away from their real consumer'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -l print -d 'Print each message, read as its layout says, once it is stored'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l bind -d 'Endpoint to bind, tcp://HOST:PORT or ipc://PATH; `tcp://*:5555` serves every interface. May be given several times [default: tcp://127.0.0.1:5555, unless there is a --connect]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l connect -d 'Endpoint to connect to, of a collector that binds. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l socket -d 'The kind of socket: `pub` sends to all who subscribe, `push` to one of those who pull, and waits while there is nobody' -r -f -a "pub\t'It sends each message to all who subscribe to it'
push\t'It sends each message to one of the pulling peers, and waits while there is none'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l wait-subscribers -d 'Send the first packet only when so many subscribers are there' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l on-full -d 'What to do when a subscriber reads too slowly' -r -f -a "drop\t'Leave the newest messages out, and count them'
block\t'Wait until there is room; a device that can wait then does'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l key -d 'Secret certificate of this side, NAME.key_secret as `fancyhwd keygen` makes it. What binds is then open to those alone whom --allow or --allow-any admits' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l server-key -d 'Public certificate of the peer at each --connect, or at the one of number N: it is talked to encrypted, and nobody else can stand in for it. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l allow -d 'Directory with the public certificates of those who may connect to a --bind. It is read again when something in it changes' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l speed -d 'Factor on the speed, such as 0.5 or 10; `max` sends without a pause [default: 1]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l rate -d 'Packets per second at even distances, whatever was recorded' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l from -d 'Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\')' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l to -d 'End before this position' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l topic -d 'Only this topic, exactly; `NAME*` is all that begin so, `*` everything. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l map -d 'Send a topic under another name. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l loop -d 'Replay again and again, or N times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l max-gap -d 'The longest time between two packets, such as 1s: longer gaps are cut' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l pause-with -d 'Stand still while the process of this number is stopped, by a debugger or a signal' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l latched -d 'Send the latest message of this topic before --from first, such as a header; `NAME*` is all topics that begin so. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l pacing -d 'How to wait until a packet is due' -r -f -a "precise\t'Wake a little early and watch the clock: to the microsecond, for a part of a processor'
economical\t'Sleep: some tens of microseconds late, for next to nothing'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l lateness-budget -d 'End with exit status 3 when one packet in a hundred left later than this' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l timing-report -d 'Write how late the packets left into this file, as JSON' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l as-recorded -d 'Send what came from each endpoint to the port that it came from, on loopback'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l allow-any -d 'Let everybody connect to a --bind who has a key, whichever it is, and knows ours'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l catch-up -d 'After a stop (Ctrl-Z, SIGSTOP), send at once what was due meanwhile, instead of going on from there'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -l paused -d 'Begin with a pause, which the space bar or SIGUSR1 ends'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -s h -l help -d 'Print help'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "list" -d 'List all sessions, oldest first'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "show" -d 'Show all that is known about a session'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "verify" -d 'Check that sessions are as they were recorded'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "diff" -d 'Compare two sessions'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "find" -d 'Say where in a session a condition holds'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "describe" -d 'Say how the messages of a session are read'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "label" -d 'Give a session another label'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "note" -d 'Add a line to the note of a session'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "mark" -d 'Set a mark in a session'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "delete" -d 'Delete a session'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "export" -d 'Write the packets of a session into a file of another format'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "import" -d 'Make a session of a file'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "cut" -d 'Make a session of a part of another one'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "recover" -d 'Take out of a damaged database what can be read'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "archive" -d 'Send a session to an archive on other machines'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and not __fish_seen_subcommand_from list show verify diff find describe label note mark delete export import cut recover archive fetch" -f -a "fetch" -d 'Bring a session back from an archive'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -l full -d 'Read every packet for the rates of topics and for gaps, also of a session with more than 1,000,000 of them'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l counter -d 'Also count what is missing by the device\'s own sequence number: TYPE@OFFSET behind the topic, TYPE@PART:OFFSET or json:FIELD, with /STEP where it counts in steps. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l all -d 'Verify every session'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l other -d 'The database of B, if it is another one' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l topic -d 'Only this topic, exactly; `NAME*` is all that begin so, `*` everything. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l endpoint -d 'Only what came from the endpoint of this number, as `session show` counts them. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l from -d 'Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\')' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l to -d 'End before this position' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l other-from -d 'Begin in B at this position, and not where --from and --to say' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l other-to -d 'End in B before this position, and not where --from and --to say' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l timing-tolerance -d 'Differ also when p99 of the difference between the spacings is above this, such as 1ms' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l topic -d 'Only this topic, exactly; `NAME*` is all that begin so, `*` everything. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l endpoint -d 'Only what came from the endpoint of this number, as `session show` counts them. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l from -d 'Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\')' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l to -d 'End before this position' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l limit -d 'End behind so many places' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l context -d 'Take places that are no further apart than this, such as 500ms, as one, and say what --from and --to show it with so much around it' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -l full -d 'Read and prove every message, also those of which overviews say that the condition cannot hold'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from find" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l endpoint -d 'Only what came from the endpoint of this number, as `session show` counts them. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l framing -d 'Where the topic is in a message' -r -f -a "auto\t'Where each message looks as if it had one; a device without topics cannot invent many'
space\t'Before the first space of the only frame'
frames\t'It is the first frame'
whole\t'Nowhere: there is none'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l layout -d 'How the bytes behind the topic are read, such as int16, float32x8 or uint32,uint64/int16x8' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l channels -d 'Names, units and scales of the numbers of the layout: NAME:UNIT:SCALE:OFFSET,..., of which all but the names may be missing' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l sample-rate -d 'Records that follow each other in a second within a message' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from label" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from label" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from label" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from label" -s h -l help -d 'Print help'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from note" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from note" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from note" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from note" -s h -l help -d 'Print help'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from mark" -l at -d 'Where in the session: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\') [default: now]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from mark" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from mark" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from mark" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from mark" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from delete" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from delete" -l yes -d 'Do not ask'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l format -d 'What to write' -r -f -a "csv\t'A line per message, with a column for each channel'
parquet\t'A row per message with typed columns, for pandas, DuckDB, Polars and Spark: one for each channel, a list where a message has several records; the session and its ledger are in the metadata'
jsonl\t'A JSON object per message'
npz\t'Arrays for numpy'
mcap\t'A channel per stream, for Foxglove, PlotJuggler and ROS tools'
wav\t'The samples as sound, with all channels'
raw\t'What follows the topics, and nothing else'
sqlite\t'A database with this session only'
html\t'A page with pictures, figures and ledger, in one file without scripts'"
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -s o -l output -d 'File to write; without it, or with `-` or `/dev/stdout`, standard output, which npz, mcap, wav and sqlite cannot be written to. A directory, which ends with `/`, gets a file for each of several sessions, or with csv, for each stream of one' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l topic -d 'Topic to export, exactly; `*` exports every topic [default: every topic]. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l endpoint -d 'Only what came from the endpoint of this number, as `session show` counts them. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l from -d 'Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\')' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l to -d 'End before this position' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l sample-rate -d 'Samples per second of a wav file [default: as many as came per second]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l force -d 'Replace the file if it exists'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l raw -d 'Numbers as the device sent them, without the scale and offset of their channels'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l explode -d 'A row for each record, with a time of its own, instead of for each message: the last record of a message has the time at which it came. Needs a sample rate, which `session describe` says. Only with csv and parquet'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l untouched -d 'Messages as the bytes that came instead of as JSON: what `session import` brings back as it was. Only with mcap'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -l fill-gaps -d 'Fill gaps, in which samples are missing as the times of the messages say, with silence. Only with wav'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from import" -l label -d 'Name of the new session, not digits alone, which are an id' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from import" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l topic -d 'Only this topic, exactly; `NAME*` is all that begin so, `*` everything. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l endpoint -d 'Only what came from the endpoint of this number, as `session show` counts them. May be given several times' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l from -d 'Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or 10:00 for the first one, in UTC), or where a condition first holds (\'ch3 > 1200\')' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l to -d 'End before this position' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l label -d 'Name of the new session, not digits alone, which are an id' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from cut" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -s o -l output -d 'Database to write' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -l force -d 'Replace the file if it exists'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -l json -d 'Print JSON'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l archive -d 'Archive to send it to, such as nats://nas1,nas2,nas3, or tls:// with encryption' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l recorder -d 'Name of this recorder in the archive [default: HOST-DATABASE]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l archive-replicas -d 'On how many servers the archive keeps each message, where its stream is made [default: 3]' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l archive-rate -d 'The most that is sent to the archive in a second, such as 10MB' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from archive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -l archive -d 'Archive to fetch it from, such as nats://nas1,nas2,nas3 or nats://nas1/RECORDER, or tls:// with encryption' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand session; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -l listen -d 'Address and port to serve on. Port 0 takes a free one. A socket that the service manager hands over as standard input is used instead' -r
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -l database -d 'Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db], or an archive as nats://HOST[:PORT][,...][/RECORDER], where a session is RECORDER/SESSION, or SESSION where only one recorder has it' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -l archive-credentials -d 'File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -l archive-ca -d 'Certificates that vouch for the servers of the archive, instead of those that the system trusts' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -l allow-remote -d 'Serve other machines too. Whoever reaches the port reads all captures: there is no password and no encryption, so let only a reverse proxy reach it'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -l directory -d 'Directory to write them to' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -l show -d 'Print the public key of a certificate, of either kind, and nothing secret' -r -F
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -l force -d 'Replace a pair of that name'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -s v -l verbose -d 'Log more; twice for everything'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -s q -l quiet -d 'Log warnings and errors only, and no summary'
complete -c fancyhwd -n "__fish_fancyhwd_using_subcommand keygen" -s h -l help -d 'Print help (see more with \'--help\')'
