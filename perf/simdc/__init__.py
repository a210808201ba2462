"""A simulated Telegram: data centres on loopback ports, with real sockets, MTProto and login, for tests, demo and bench.

From the socket up, each module importing only what stands before it:

    world, history, stored, bulk, corpus/   who exists and what they wrote
    auth_key, session, ledger               what the data centres know of a client beside it
    call                                    what a service is given, and the registry of services
    box                                     what happened to the chats, in Telegram's steps
    peer, view, window, filter, page, ...   what several services share
    services/                               one file an area of the API, one function a method
    fault, flood, lie                       what goes wrong on purpose
    request, dispatcher                     a request's way to its service and back
    push                                    what clients are told unasked
    inbox, handshake, connection, server    MTProto
    control, launcher, __main__             the server as a process, and what it can be told while it runs

To add a method: a function in services/ (a new file is found by itself), named after it and marked with its request class.
It is given a Call (the world, who asks, the ledger), returns a TL object, bytes, a bool or a list, and raises RpcError for
what Telegram refuses. What it answers from belongs to World, filled by corpus/; what changes while the server runs, to
mutation.py and alteration.py; what tests compare with, to truth.py.

    @serves(GetFullUserRequest)
    def get_full_user(call: Call, request: GetFullUserRequest) -> types.users.UserFull: ...

To add a fault: one that hits any request, with a probability, is a setting of Fault (`control("set", drop_rate=0.1)`); a
limit is FloodControl's (`control("flood", method=..., rate=..., burst=...)`); a server that answers one method wrongly is a
function in lie.py (`control("lie", method=..., lie="ignore", field="offset_date")`). `change`, `ignore`, `raw` and `refuse`
do for most. A new word of the control port is a function in control.py, marked with its name.
"""
