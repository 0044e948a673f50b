// One chat as it is, made from a snapshot and from what has happened since. Pure: nothing that is given
// is changed, and what did not change is the same object afterwards.

/** @import { ChatView, Chat, EventFrame, Face, Frame, Message, MessageChange, Note, NoteChange, ReadMark, Snapshot } from "./types.d.ts" */

/**
 * @param {Snapshot} snapshot
 * @returns {ChatView}
 */
export function fromSnapshot(snapshot) {
  const read_marks = snapshot.read_marks.toSorted(byReader);
  return { ...snapshot, read_marks, event_seq: snapshot.chat.event_seq };
}

/**
 * What the chat is after a frame. Only its own events that are not in it yet change anything, so a frame
 * may come twice; and an event may be in the messages already, because a snapshot's may be newer than
 * its number.
 * @param {ChatView} view
 * @param {Frame} frame
 * @returns {ChatView}
 * @throws {RangeError} events before this one are missing
 */
export function apply(view, frame) {
  if (frame.type !== "event" || frame.chat_id !== view.chat.id || frame.event_seq <= view.event_seq) return view;
  if (frame.event_seq !== view.event_seq + 1) {
    throw new RangeError(`event ${frame.event_seq} does not follow event ${view.event_seq}`);
  }
  const chat = newer(view.chat, frame.chat);
  return { ...view, ...changed(view, frame), chat, event_seq: frame.event_seq };
}

/**
 * The same with older messages in front, if they end where the view's begin: there are no gaps in it.
 * @param {ChatView} view
 * @param {{ data: Message[] }} page  in the order of seq
 * @param {EventFrame[]} events  those told since the messages were asked for: they may not be in them
 * @returns {ChatView}
 */
export function prepend(view, { data: messages }, events) {
  const first = view.messages[0]?.seq;
  const last = messages.at(-1)?.seq;
  if (first === undefined || last !== first - 1) return view;
  return { ...view, messages: [...events.reduce(corrected, messages), ...view.messages] };
}

/**
 * The same with older notes in front.
 * @param {ChatView} view
 * @param {{ data: Note[], next_cursor: string | null }} page
 * @param {EventFrame[]} events  those told since the notes were asked for: they may not be in them
 * @returns {ChatView}
 */
export function prependNotes(view, page, events) {
  const there = new Set(view.notes?.map(({ id }) => id));
  const changes = new Map(events.filter(isOfNote).map(({ data }) => [data.id, data]));
  const older = page.data
    .filter(({ id }) => !there.has(id))
    .map((note) => changes.get(note.id) ?? note)
    .filter((note) => note.deleted_at === null);
  return { ...view, notes: [...older, ...(view.notes ?? [])], has_older_notes: page.next_cursor !== null };
}

/**
 * @param {Message[]} messages
 * @param {EventFrame} frame
 */
function corrected(messages, frame) {
  if (!isOfMessage(frame)) return messages;
  return handled(messages, frame).map((message) => (message.seq === frame.data.seq ? frame.data : message));
}

/**
 * @param {EventFrame} frame
 * @returns {frame is MessageChange}
 */
function isOfMessage(frame) {
  return frame.event === "message.created" || frame.event === "message.edited" || frame.event === "message.deleted";
}

/**
 * @param {EventFrame} frame
 * @returns {frame is NoteChange}
 */
function isOfNote(frame) {
  return frame.event === "note.created" || frame.event === "note.edited" || frame.event === "note.deleted";
}

/**
 * @param {ChatView} view
 * @param {EventFrame} frame
 * @returns {Partial<ChatView>}
 */
function changed(view, frame) {
  if (isOfMessage(frame)) return { messages: withMessage(handled(view.messages, frame), frame.data) };
  if (frame.event === "message.read") {
    return { read_marks: withMark(view.read_marks, { ...frame.data, read_at: frame.at }) };
  }
  if (isOfNote(frame)) return { notes: withNote(view.notes ?? [], frame.data, view.has_older_notes ?? false) };
  if (frame.event === "chat.rated") return { rating: frame.data };
  if (frame.event === "chat.assigned" && "fictional_user_id" in frame.data) {
    return { face: /** @type {Face} */ (frame.data) };
  }
  return {}; // it is all in the row
}

/**
 * The row of the frame, unless what is there was read later. What events leave out stays.
 * @param {Chat} known
 * @param {Chat} chat
 */
function newer(known, chat) {
  return chat.event_seq < known.event_seq ? known : { ...known, ...chat };
}

/**
 * A new message goes behind the others, a known one is replaced; one from before the first that is
 * loaded is left out.
 * @param {Message[]} messages
 * @param {Message} message
 */
function withMessage(messages, message) {
  const place = messages.findLastIndex((other) => other.seq <= message.seq);
  if (messages[place]?.seq === message.seq) return messages.with(place, message);
  if (place === -1 && messages.length > 0) return messages;
  return messages.toSpliced(place + 1, 0, message);
}

/**
 * A new note goes to its place in time, a known one is replaced. Frames say how it is now: whatever the event
 * was, one that is deleted is not there; nor is one from before the first that is loaded.
 * @param {Note[]} notes
 * @param {Note} note
 * @param {boolean} hasOlder  whether there are notes before the first
 */
function withNote(notes, note, hasOlder) {
  const known = notes.findIndex((other) => other.id === note.id);
  if (note.deleted_at !== null) return known === -1 ? notes : notes.toSpliced(known, 1);
  if (known !== -1) return notes.with(known, note);
  const place = notes.findLastIndex((other) => other.created_at <= note.created_at);
  if (place === -1 && hasOlder) return notes;
  return notes.toSpliced(place + 1, 0, note);
}

/**
 * A reply says whose messages it has handled.
 * @param {Message[]} messages
 * @param {MessageChange} frame
 */
function handled(messages, frame) {
  const { handled_after_seq: after, data: reply } = frame;
  if (after === undefined) return messages;
  return messages.map((message) =>
    message.sender_type === "real" && message.seq > after && message.seq < reply.seq
      ? { ...message, handled_by_operator_id: reply.sender_id }
      : message,
  );
}

/**
 * How far somebody has read never goes back.
 * @param {ReadMark[]} marks
 * @param {ReadMark} mark
 */
function withMark(marks, mark) {
  const place = marks.findIndex((other) => byReader(mark, other) === 0);
  const known = marks[place];
  if (!known) return [...marks, mark].sort(byReader);
  return known.seq < mark.seq ? marks.with(place, mark) : marks;
}

/**
 * @param {ReadMark} one
 * @param {ReadMark} other
 */
function byReader(one, other) {
  const [key, otherKey] = [`${one.reader_type} ${one.reader_id}`, `${other.reader_type} ${other.reader_id}`];
  return key < otherKey ? -1 : Number(key > otherKey);
}
