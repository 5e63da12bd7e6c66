// An Express application with express-session, after the examples "User login" and "View counter" in the documentation
// of express-session. Its sessions are in the memory of this process.

const escapeHtml = require('escape-html')
const express = require('express')
const session = require('express-session')

const app = express()

app.use(session({
  secret: 'keyboard cat',
  resave: false,
  saveUninitialized: false
}))

// middleware to test if authenticated
function isAuthenticated (req, res, next) {
  if (req.session.user) next()
  else next('route')
}

app.get('/', isAuthenticated, function (req, res) {
  res.send('hello, ' + escapeHtml(req.session.user) + '! <a href="/logout">Logout</a>')
})

app.get('/', function (req, res) {
  res.send('<form action="/login" method="post">' +
    'Username: <input name="user"><br>' +
    'Password: <input name="pass" type="password"><br>' +
    '<input type="submit" text="Login"></form>')
})

app.get('/foo', isAuthenticated, function (req, res) {
  req.session.views = (req.session.views || 0) + 1
  res.send('you viewed this page ' + req.session.views + ' times')
})

app.post('/login', express.urlencoded({ extended: false }), function (req, res, next) {
  // regenerate the session, which is good practice to help guard against forms of session fixation
  req.session.regenerate(function (err) {
    if (err) return next(err)
    req.session.user = req.body.user
    // save the session before redirection to ensure page load does not happen before session is saved
    req.session.save(function (err) {
      if (err) return next(err)
      res.redirect('/')
    })
  })
})

app.get('/logout', function (req, res, next) {
  req.session.destroy(function (err) {
    if (err) return next(err)
    res.clearCookie('connect.sid').redirect('/')
  })
})

const server = app.listen(process.env.PORT, '127.0.0.1', function () {
  console.log('listening on ' + server.address().port)
})
