<?php
// An ordinary PHP site with PHP's own sessions, which php.ini keeps in Redis. It has never heard of the gateway.

const USERS = ['alice' => 42, 'bob' => '9f1c2b34-0000-4000-8000-00000000b0b0'];

session_start();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
    case 'GET /home':
        header('Content-Type: application/json');
        echo json_encode(['user' => isset($_SESSION['user_id']) ? (string) $_SESSION['user_id'] : null]);
        break;
    case 'GET /visit':
        $_SESSION['cart'] = [['article' => 'coat', 'price' => 99.5]];
        break;
    case 'GET /login':
        echo '<form method="post"><input name="username"><input name="password"><button>Log in</button></form>';
        break;
    case 'POST /login':
        $name = $_POST['username'];
        if ($_POST['password'] !== "$name's password") {
            http_response_code(401);
            break;
        }
        session_regenerate_id(true);
        $_SESSION['user_id'] = USERS[$name];
        // What a visitor types is part of the record, and may look like one.
        $_SESSION['note'] = 'x";user_id|i:7;';
        header('Location: /home', true, 302);
        break;
    case 'POST /logout':
        $_SESSION = [];
        $cookie = session_get_cookie_params();
        setcookie(session_name(), '', time() - 42000, $cookie['path'], $cookie['domain'], $cookie['secure'], $cookie['httponly']);
        session_destroy();
        header('Location: /home', true, 302);
        break;
    default:
        http_response_code(404);
}
