-- What a customer thought of a chat. The staff are told; they read it with the chat.

create or replace function private.tg_chat_ratings__note_rating()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_event(new.chat_id, 'chat.rated', false);
  return null;
end
$$;

comment on function private.tg_chat_ratings__note_rating() is 'Writes chat.rated.';
revoke execute on function private.tg_chat_ratings__note_rating() from public, anon, authenticated, service_role;

create or replace function private.rate_chat(p_chat_id uuid, p_score integer, p_comment text)
returns public.chat_ratings
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_comment text := nullif(btrim(p_comment), '');
  v_chat public.chats := private.lock_chat(p_chat_id);
  v_now timestamptz := private.now();
  v_rating public.chat_ratings;
begin
  if v_chat.real_user_id <> private.require_person() then
    perform private.refuse('not_your_chat', 'Its customer rates a chat.');
  elsif p_score is null or p_score not between 1 and 5 then
    perform private.refuse('invalid_argument', 'score: is 1 to 5.');
  elsif char_length(v_comment) > 2000 then
    perform private.refuse('invalid_argument', 'comment: has at most 2,000 characters.');
  elsif v_chat.operator_replied_at is null then
    perform private.refuse('chat_not_answered');
  end if;
  insert into public.chat_ratings as r (chat_id, score, comment, created_at, updated_at)
  values (p_chat_id, p_score, v_comment, v_now, v_now)
  on conflict (chat_id) do update set score = excluded.score, comment = excluded.comment, updated_at = excluded.updated_at
  returning r.* into v_rating;
  return v_rating;
end
$$;

revoke execute on function private.rate_chat(uuid, integer, text) from public, anon;
grant execute on function private.rate_chat(uuid, integer, text) to authenticated, service_role;

create or replace function public.rate_chat(p_chat_id uuid, p_score integer, p_comment text default null)
returns public.chat_ratings
language sql
volatile
security invoker
set search_path = ''
as $$ select private.rate_chat(p_chat_id, p_score, p_comment) $$;

comment on function public.rate_chat(uuid, integer, text) is 'The customer rates his chat, 1 to 5 and in his words (at most 2,000 characters), once an operator has replied; again replaces it. Refuses: not_signed_in, chat_not_found, not_your_chat, chat_not_answered, invalid_argument (the hint names the field).';
revoke execute on function public.rate_chat(uuid, integer, text) from public, anon;
grant execute on function public.rate_chat(uuid, integer, text) to authenticated, service_role;

create or replace function private.get_rating(p_chat_id uuid)
returns setof public.chat_ratings
language sql
stable
security definer
set search_path = ''
as $$ select r.* from public.chat_ratings r where r.chat_id = (private.find_chat(p_chat_id)).id $$;

revoke execute on function private.get_rating(uuid) from public, anon;
grant execute on function private.get_rating(uuid) to authenticated, service_role;

create or replace function public.get_rating(p_chat_id uuid)
returns setof public.chat_ratings
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.get_rating(p_chat_id) $$;

comment on function public.get_rating(uuid) is 'How its customer has rated a chat that the caller may see; no row when he has not. Refuses chat_not_found.';
revoke execute on function public.get_rating(uuid) from public, anon;
grant execute on function public.get_rating(uuid) to authenticated, service_role;
