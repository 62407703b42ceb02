"""What a sipp does in its one call: scenarios, by name, as XML."""

_SDP = (
    "v=0",
    "o=tester 1 1 IN IP4 [local_ip]",
    "s=-",
    "c=IN IP4 [media_ip]",
    "t=0 0",
    "m=audio [media_port] RTP/AVP 0",
    "a=rtpmap:0 PCMU/8000",
)
_CONTACT = "Contact: <sip:[local_ip]:[local_port]>"
_LAST = ("[last_Call-ID:]", "[last_CSeq:]")
_TAG = ";tag=[pid]SIPpTag01[call_number]"


def _send(*lines, sdp=False, retransmits=False):
    body = ("Content-Type: application/sdp", "Content-Length: [len]", "", *_SDP)
    lines = (*lines, *(body if sdp else ("Content-Length: 0", "")))
    attribute = ' retrans="500"' if retransmits else ""
    return f"<send{attribute}><![CDATA[\n" + "\n".join(lines) + "\n]]></send>\n"


def _reply(status, *more, tag="", **options):
    head = (f"SIP/2.0 {status}", "[last_Via:]", "[last_From:]", f"[last_To:]{tag}", *_LAST)
    return _send(*head, *more, **options)


def _request(method, to, number):
    target = "sip:[service]@[remote_ip]:[remote_port]"
    return (
        f"{method} {target} SIP/2.0",
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
        "From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]",
        to or f"To: <{target}>",
        "Call-ID: [call_id]",
        f"CSeq: {number} {method}",
        _CONTACT,
        "Max-Forwards: 70",
    )


def _scenario(*steps):
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="tester">\n'
    return head + "".join(steps) + "</scenario>\n"


def _callee(*steps):
    ringing = _reply("180 Ringing", _CONTACT, tag=_TAG)
    return _scenario('<recv request="INVITE"/>\n', ringing, *steps)


def _refuses(status):
    return _callee(_reply(status, tag=_TAG), '<recv request="ACK" timeout="5000"/>\n')


_UNTIL_BYE = '<recv request="BYE" timeout="30000"/>\n' + _reply("200 OK")

SCENARIOS = {
    "busy": _refuses("486 Busy Here"),
    "declines": _refuses("603 Decline"),
    "unknown": _refuses("404 Not Found"),
    "rings": _callee('<recv request="CANCEL"/>\n', _reply("200 OK")),
    "answers": _callee(
        '<pause milliseconds="300"/>\n',
        _reply("200 OK", _CONTACT, tag=_TAG, sdp=True, retransmits=True),
        '<recv request="ACK"/>\n',
        _UNTIL_BYE,
    ),
    # a caller who is asked to call somebody else (REFER), and will not
    "unwilling": _scenario(
        _send(*_request("INVITE", "", 1), sdp=True, retransmits=True),
        '<recv response="100" optional="true"/>\n',
        '<recv response="180" optional="true"/>\n',
        '<recv response="200" rtd="true" rrs="true"/>\n',
        _send(*_request("ACK", "[last_To:]", 1)),
        '<recv request="REFER"/>\n',
        _reply("603 Decline"),
        _UNTIL_BYE,
    ),
}
