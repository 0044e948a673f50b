-- Users that the host page vouches for, by a token that its backend has signed.

-- What a verified token may say. Who calls has checked its signature and nothing else.
create or replace function private.check_identity(p_nonce text, p_issued_at timestamptz, p_expires_at timestamptz)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
begin
  if p_nonce is null or char_length(p_nonce) not between 1 and 255 then
    perform private.refuse('identity_token_invalid', 'jti has 1 to 255 characters.');
  elsif p_issued_at is null or p_expires_at is null or p_expires_at <= p_issued_at
      or p_expires_at > p_issued_at + interval '10 minutes' then
    perform private.refuse('identity_token_invalid', 'exp is later than iat, by at most 10 minutes.');
  elsif p_expires_at <= v_now then
    perform private.refuse('identity_token_invalid', 'It has expired: sign a new one.');
  elsif p_issued_at > v_now + interval '1 minute' then
    perform private.refuse('identity_token_invalid', 'iat is in the future: set the clock of the host.');
  end if;
end
$$;

comment on function private.check_identity(text, timestamptz, timestamptz) is 'Refuses identity_token_invalid: a nonce or times that an identity token may not have, or one that has ended.';
revoke execute on function private.check_identity(text, timestamptz, timestamptz) from public, anon, authenticated, service_role;

-- Who this host's user is here; it says so and remembers it, and makes nobody's login. A user that was
-- never seen becomes the anonymous visitor who brought the token, so that he keeps his chats, or else
-- somebody new. Whoever calls has made sure that the visitor is who he says and still has no name.
--
-- Two tokens at the same moment meet at unique keys: the second waits for the first to commit, and
-- then finds the nonce used, the subject known, or the visitor gone to somebody else.
create or replace function private.identify_host_user(
  p_subject text,
  p_nonce text,
  p_issued_at timestamptz,
  p_expires_at timestamptz,
  p_name text,
  p_email text,
  p_visitor_id uuid
)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  perform private.check_identity(p_nonce, p_issued_at, p_expires_at);
  insert into private.host_nonces (nonce_hash, expires_at)
  values (sha256(convert_to(p_nonce, 'UTF8')), p_expires_at)
  on conflict do nothing;
  if not found then
    perform private.refuse('identity_token_used');
  end if;

  if p_visitor_id is not null and not exists (select from public.operators o where o.id = p_visitor_id) then
    insert into private.host_users (subject, user_id) values (p_subject, p_visitor_id) on conflict do nothing;
  end if;
  insert into private.host_users (subject, user_id) values (p_subject, gen_random_uuid()) on conflict do nothing;
  select h.user_id into strict v_user_id from private.host_users h where h.subject = p_subject;
  if exists (select from public.operators o where o.id = v_user_id) then
    perform private.refuse('not_allowed', 'Operators sign in themselves.');
  end if;

  -- What the host does not say this time stays as it was.
  insert into public.real_users as u (id, name, email, is_anonymous)
  values (v_user_id, nullif(p_name, ''), nullif(p_email, ''), false)
  on conflict (id) do update set
    name = coalesce(excluded.name, u.name),
    email = coalesce(excluded.email, u.email),
    is_anonymous = false;
  return v_user_id;
end
$$;

comment on function private.identify_host_user(text, text, timestamptz, timestamptz, text, text, uuid) is 'The id of the host page''s user, who is made if he is new: out of the anonymous visitor p_visitor_id, if one is given; keeps his name and email. The service''s, with the claims of a token whose signature it has verified. Refuses: identity_token_invalid, identity_token_used, not_allowed (an operator); a subject, name or email that is too long (23514).';
revoke execute on function private.identify_host_user(text, text, timestamptz, timestamptz, text, text, uuid) from public, anon, authenticated;
grant execute on function private.identify_host_user(text, text, timestamptz, timestamptz, text, text, uuid) to service_role;
