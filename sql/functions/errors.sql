-- Every refusal of the product, in one place. The page in sql/README.md is checked against it.

-- The catalogue: machine code, HTTP status, sentence for people, what to do.
create or replace function private.error_catalogue()
returns table (code text, status integer, message text, hint text)
language sql
immutable
set search_path = ''
as $$
  values
    ('content_empty', 400, 'The message is empty.', 'Send 1 to 65,536 bytes of text.'),
    ('content_too_long', 400, 'The text is too long.', 'Messages have at most 65,536 bytes, reasons and headlines at most 500 characters.'),
    ('invalid_argument', 400, 'An argument is missing or out of range.', 'See the comment on the function.'),
    ('identity_token_invalid', 400, 'The identity token is not valid.', 'docs/auth.md says what the host page signs.'),
    ('identity_token_used', 400, 'The identity token was used before.', 'Have the host page sign a new one: each jti counts once.'),
    ('not_signed_in', 401, 'You are not signed in.', 'Sign in and send the access token.'),
    ('not_your_chat', 403, 'Only the customer of this chat may do that.', 'Operators answer with send_operator_message.'),
    ('not_allowed', 403, 'You may not do that.', 'Ask an admin.'),
    ('operator_inactive', 403, 'This operator is deactivated.', 'An admin can activate him again.'),
    ('chat_not_found', 404, 'There is no such chat.', 'It may also be one that you may not see.'),
    ('operator_not_found', 404, 'There is no such operator.', 'Check the id.'),
    ('message_not_found', 404, 'There is no such message.', 'It may also be deleted, or one that you may not change.'),
    ('note_not_found', 404, 'There is no such note.', 'It may also be deleted, or in a chat that you may not see.'),
    ('attachment_not_found', 404, 'There is no such file.', 'Upload it into the folder of the chat first; a file is sent once, by whoever uploaded it.'),
    ('fictional_user_not_found', 404, 'There is no such persona.', 'Leave it out, or name an active one.'),
    ('user_not_found', 404, 'There is no such user.', 'Check the id.'),
    ('quick_response_not_found', 404, 'There is no such quick response.', 'It may also be somebody else''s own.'),
    ('ticket_not_found', 404, 'There is no such ticket.', 'It may also be one that you may not see.'),
    ('invitation_not_found', 404, 'There is no such invitation.', 'It has ended, was taken back or was used: ask for a new one.'),
    ('setting_not_found', 404, 'There is no such setting.', 'The table settings lists them.'),
    ('operator_active', 409, 'The account of an operator is not erased.', 'Deactivate him first; then an admin can.'),
    ('operator_exists', 409, 'There is an operator with this address already.', 'Change his row, or activate him again.'),
    ('last_admin', 409, 'This is the last active admin.', 'Make somebody else an admin first.'),
    ('already_set_up', 409, 'There is an operator already.', 'Sign in, or ask an admin for an invitation.'),
    ('operator_at_capacity', 409, 'The operator has his hands full.', 'Finish or hand back a chat first, or raise the capacity.'),
    ('not_the_holder', 409, 'You do not hold this chat.', 'Somebody else holds it, or you handed it back.'),
    ('chat_not_assigned', 409, 'Nobody holds this chat.', 'Have it assigned first.'),
    ('chat_not_waiting', 409, 'This chat is not waiting for an operator.', 'Refresh: it was taken, answered or completed.'),
    ('chat_owed', 409, 'The customer waits for a reply in this chat.', 'Answer him, or hand the chat back: a chat is put aside when nothing is owed.'),
    ('chat_completed', 409, 'This chat is completed.', 'It reopens when the customer writes.'),
    ('chat_not_answered', 409, 'Nobody has answered this chat yet.', 'It can be rated after the first reply.'),
    ('too_many_quick_responses', 409, 'There are as many quick responses as there may be.', 'Delete one first: there are at most 500 for everybody, and 500 of one''s own.'),
    ('ticket_closed', 409, 'This ticket is closed.', 'Make a new one.'),
    ('transition_refused', 409, 'The chat cannot change in this way.', 'sql/README.md has the table of changes.'),
    ('mention_refused', 409, 'Somebody who is mentioned may not see this chat.', 'Mention active operators who may; a mention opens no chat.'),
    ('client_message_id_reused', 409, 'This client_message_id was used for something else.', 'Make a new id for each message; repeat it only to retry the same one.'),
    ('conflict', 409, 'Somebody changed the same thing at the same moment.', 'Try again.'),
    ('events_gone', 410, 'What happened since then is no longer known.', 'Fetch the chat and its messages afresh, and go on from its event_seq.'),
    ('too_large', 413, 'The context is too large.', 'A context has at most 16 kB.'),
    ('rate_limited', 429, 'Too many requests.', 'Wait a little.')
$$;

comment on function private.error_catalogue() is 'Every error code of the SQL surface with its HTTP status, message and hint.';
revoke execute on function private.error_catalogue() from public, anon, authenticated, service_role;

-- Raises the error of that code: SQLSTATE PT + status, the code as DETAIL, as PostgREST understands it.
create or replace function private.refuse(p_code text, p_hint text default null)
returns void
language plpgsql
volatile  -- an immutable one would be raised by the planner
set search_path = ''
as $$
declare
  v_error record;
begin
  select c.status, c.message, c.hint into strict v_error
  from private.error_catalogue() c
  where c.code = p_code;
  raise exception using
    errcode = 'PT' || v_error.status,
    message = v_error.message,
    detail = p_code,
    hint = coalesce(p_hint, v_error.hint);
end
$$;

comment on function private.refuse(text, text) is 'Raises the catalogue''s error of this code; p_hint replaces its hint.';
revoke execute on function private.refuse(text, text) from public, anon, authenticated, service_role;

-- For documents of changes, which are refused as a whole: the frame of check_operator, check_widget and such.
create or replace function private.check_fields(p_problems jsonb)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_hint text;
begin
  select string_agg(format('%s: %s.', left(e.key, 100), e.value), e'\n' order by e.key) into v_hint
  from jsonb_each_text(p_problems) e
  where e.value is not null;
  if v_hint is not null then
    perform private.refuse('invalid_argument', v_hint);
  end if;
end
$$;

comment on function private.check_fields(jsonb) is 'Refuses invalid_argument, its hint a line for each field that has a problem, by name; null: it has none.';
revoke execute on function private.check_fields(jsonb) from public, anon, authenticated, service_role;
