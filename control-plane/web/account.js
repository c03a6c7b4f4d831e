// Who is logged in, in the page's head; logging in, out, and a new account.
//
//   account(session, dialog);
//   askToLogIn(session, dialog);

import { button, el, h, setText } from './dom.js';

export function account(session, dialog) {
  const show = () => {
    el('account').replaceChildren(...(session.user
      ? [h('span', { class: 'who' }, session.user.username),
        button('Log out', () => session.logout(), { class: 'plain',
          id: 'logout' })]
      : [button('Log in', () => askToLogIn(session, dialog),
        { id: 'login' })]));
  };

  session.addEventListener('user', show);
  show();
}

export function askToLogIn(session, dialog) {
  dialog.open('Log in', form(session, dialog, {
    send: 'Log in',
    login: true,
    act: ({ login, password }) => session.login(login, password),
  }), h('p', { class: 'quiet' }, 'New here? ',
    button('Make an account', () => register(session, dialog),
      { class: 'plain', id: 'to-register' })));
}

function register(session, dialog) {
  dialog.open('Make an account', form(session, dialog, {
    send: 'Make it',
    login: false,
    act: ({ login, email, password }) =>
      session.register(login, email, password),
  }), h('p', { class: 'quiet' }, 'You have one? ',
    button('Log in', () => askToLogIn(session, dialog), { class: 'plain' })));
}

function form(session, dialog, { send, login, act }) {
  const field = (id, label, properties) => [
    h('label', { for: id }, label),
    h('input', { id, name: id, required: true, ...properties })];
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const submit = h('button', { type: 'submit' }, send);

  const node = h('form', { class: 'stack', id: 'login-form' },
    field('login-name', login ? 'User name or e-mail address' : 'User name', {
      autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false',
      maxlength: login ? 254 : 32, autofocus: true }),
    !login && field('login-email', 'E-mail address', { type: 'email',
      autocomplete: 'email', maxlength: 254 }),
    field('login-password', 'Password', { type: 'password', maxlength: 256,
      minlength: login ? 1 : 10,
      autocomplete: login ? 'current-password' : 'new-password' }),
    problem, submit);

  node.addEventListener('submit', async (event) => {
    const { elements } = node;

    event.preventDefault();
    submit.disabled = true;

    try {
      await act({ login: elements['login-name'].value.trim(),
        email: elements['login-email']?.value.trim(),
        password: elements['login-password'].value });
      dialog.close();

    } catch (error) {
      setText(problem, error.message);
      problem.hidden = false;

    } finally {
      submit.disabled = false;
    }
  });

  return node;
}
