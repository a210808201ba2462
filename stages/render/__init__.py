"""Views: what an archive holds, written in the forms that people and programs read. Offline, from stages/archive/reader.py
alone.

One file a format, one protocol (format.py). Its command, with its options, is a file of cli/ that cli/render.py names.

    supervisor                                            pool of processes
      chat by chat, ascending by marked id
        cut    messages into parts (part.py)
        plan   parts that are as they were keep their
               result of the last render (plan.py)
        ------------- survey(part) ------------->          only formats with `surveys`: a first pass, whose results are
        <------------ small value ---------------          folded into `part.before` of the parts that follow
        ------------- render(part) ------------->          messages -> files in the temporary folder
        <------------ small result --------------
        end_chat(chat, results)                            joins files, in the order of the parts
      end(chats)                                           tables, index pages: what concerns all chats

To write a format, subclass `Format` as a frozen slotted dataclass (it is pickled to the workers; its fields are its
options):

- **A part** is at most `part_messages` messages and about PART_BYTES of lines; where it begins depends only on the lines
  before it. So the result is the same for any number of workers, and lines that are added at the end leave all parts but
  the last as they were. A format with pages sets `part_messages` to a multiple of `page_messages`; a part then always
  begins a page.
- **render** runs in a worker. `part.messages_of()` gives TL objects, or `part.blocks()` raw lines; `view.wanted(message)`
  says what --since, --until and --topic leave; `view.names[id]` is what `shown` made of a peer, None for an unknown one
  (the look-up is remembered: the part is rendered again when that peer comes); `view.media.find(keys)` gives paths;
  `view.message(id)` finds any message of the chat, of which only those before the part may decide what is
  written; `part.previous()` is the message before it. Write files with `view.new_file(name)`: they lie in the temporary
  folder. Return a small dict of JSON values: it is kept in render.json for as long as the part stays the same, and given
  to `end_chat` then as well.
- **end_chat** runs in the supervisor when all parts of a chat are there. `chat.parts` has for each its result, and
  whether it is `fresh` (its files wait in the temporary folder) or kept. Make whole files with `output.new_file()` and
  hand them over with `output.put(name, path)`; `output.path(name)` is the file of the last render, to copy from
  (`output.copy_range`). Everything put is synced and renamed into place soon after `end_chat` has returned, of files that
  hold several chats (`joins_chats`) after `end`; a file with the same
  bytes is left as it is. Names are relative, with /. `chat.files` must come to name all files that belong to the chat:
  those of the last render that are not among them are removed.
- **end** is called last, whenever anything changed, with all chats in order (`chat.parts` of unchanged ones too). A format
  that `joins_halves` has both halves of a group in every render that has one; `halves_together` (half.py) tells which.
  One that `joins_comments` has the group in which a channel is discussed in every render of the channel (comments.py).
- Text files that are joined part by part: `Concatenated` (concatenated.py) does all of that; give it head, separator and
  tail.

What an output depends on is exactly: options(), version, context(chat), shown(peer) of the chat's peers, lines, media
states. Where one changes in a way that parts cannot tell, the chat is rendered from nothing. `end` may read anything else
(other chats, statements).

Nothing is half there: temporary files lie in OUT/render.part/, entries of chats leave render.json (durably) before their
files are touched and return when they are whole. A render that is killed leaves whole files, old or new, and the next one
mends the rest.

"""
